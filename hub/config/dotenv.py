"""Files of `NAME=value` lines, which VS Code's `envFile` names."""

import re

_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
_ESCAPES = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\\\": "\\"}


def read_dotenv(text: str) -> dict[str, str]:
    """The variables of the file; lines of another form are comments."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = None if line.lstrip().startswith("#") else _LINE.fullmatch(line)
        if match is not None:
            found[match["name"]] = _value(match["value"].strip())
    return found


def _value(text: str) -> str:
    quoted = re.match(r"'(?P<raw>[^']*)'|\"(?P<text>(?:[^\"\\]|\\.)*)\"", text)
    if quoted is None:
        return re.sub(r"\s+#.*$", "", text)
    if quoted["raw"] is not None:
        return quoted["raw"]
    return re.sub(r"\\.", lambda match: _ESCAPES.get(match[0], match[0]), quoted["text"])
