"""Telling secrets from other values, so that an import never writes one out."""

import math
import re
from collections import Counter

_KEY = re.compile(r"token|key|secret|passw(or)?d|authorization|credential|cookie|bearer|dsn", re.IGNORECASE)
_HARMLESS_KEY = re.compile(r"(_?(file|path|dir|id|name|url|host)$)|^(content|accept)", re.IGNORECASE)
_SCHEME = re.compile(r"^(?P<scheme>(?:Bearer|Basic|Token|ApiKey)\s+)(?P<secret>\S.*)$", re.IGNORECASE)
_RANDOM = re.compile(r"^[A-Za-z0-9_+=.~-]{20,}$")
_KNOWN = re.compile(
    r"^(sk-|pk-|ghp_|gho_|github_pat_|glpat-|xox[abpr]-|AKIA|AIza|eyJ|hf_|npm_|pypi-)[A-Za-z0-9_.-]{8,}$"
)
_MIN_BITS_A_CHAR = 3.5


def is_secret(key: str, value: str) -> bool:
    """Whether a value is better not written out: its key says so, or it looks like a key itself."""
    if not value.strip() or value.strip().lower() in ("true", "false") or "${" in value:
        return False
    if _KEY.search(key) and not _HARMLESS_KEY.search(key):
        return True
    return is_random(value)


def is_random(value: str) -> bool:
    """Whether a text looks like a generated key."""
    text = secret_part(value)[1]
    if _KNOWN.match(text):
        return True
    if not _RANDOM.match(text) or not re.search(r"\d", text) or not re.search(r"[A-Za-z]", text):
        return False
    counts = Counter(text)
    bits = -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
    return bits >= _MIN_BITS_A_CHAR


def secret_part(value: str) -> tuple[str, str]:
    """The scheme of an `Authorization` value (`Bearer `), and the rest, which is the secret."""
    match = _SCHEME.match(value)
    return (match["scheme"], match["secret"]) if match is not None else ("", value)
