"""What the hub takes from its own environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from hub.errors import ConfigError

TOKEN_VARIABLE = "HUB_TOKEN"  # noqa: S105 - the name of a variable, not its value
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")


def variables() -> Mapping[str, str]:
    """The environment of the hub, for references."""
    return os.environ


def base_env() -> dict[str, str]:
    """What each server's program gets besides its own `env`; nothing else of the hub's environment reaches it."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def token_from(file: Path | None) -> str | None:
    """The token that clients must show: from the file's first line, else from `HUB_TOKEN`, else none.

    Raises:
        ConfigError: the file can't be read, or the token has characters that a header can't carry.
    """
    if file is None:
        token, source = os.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE
    else:
        source = f"token file {file}"
        try:
            with file.open(encoding="utf-8") as lines:
                token = lines.readline()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{source}: found no readable text; expected one line; write the token there") from error
        if not token.strip():
            raise ConfigError(f"{source}: found an empty first line; expected the token; write it there")
    token = token.strip()
    if not all("!" <= char <= "~" for char in token):
        raise ConfigError(
            f"{source}: found blanks or characters outside ASCII; expected a token without; make a new one"
        )
    return token or None


def wants_traceback() -> bool:
    """Whether the user wants to see where a defect happened."""
    return bool(os.environ.get("HUB_TRACEBACK"))
