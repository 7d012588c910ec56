"""Keys are kept out of what a run's history holds: a model's address and its settings."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import SplitResult, parse_qsl

from hub.errors import InvalidInputError

_SECRET: Final = re.compile(r"authorization|cookie|secret|passw|credential|api_?key|(access|auth|bearer)_?token")
_SECRET_HEADER: Final = re.compile(rf"{_SECRET.pattern}|(^|_)(key|token)$")
_HARMLESS: Final = frozenset({"idempotency_key"})
_SCHEMES: Final = re.compile(r"(bearer|basic)\s", re.IGNORECASE)


def without_user(text: str) -> str:
    """An address as messages may show it."""
    return re.sub(r"//[^/#?]*@", "//***@", text)


def secret_in_address(parts: SplitResult) -> str | None:
    """What of an address is a secret, as messages call it."""
    if parts.username or parts.password:
        return "a user or password"
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return next((f"`{name}`" for name in names if _SECRET_HEADER.search(_plain(name))), None)


def check_settings(settings: Mapping[str, Any], whose: str) -> None:
    """Refuse settings of model calls that hold a key: each call's settings stay in its run's history.

    Raises:
        InvalidInputError: one does; the message names it, not its value.
    """
    found = _secret_in(settings, "")
    if found is not None:
        raise InvalidInputError(
            f"{whose}: found {found} in the settings of its model calls, which stay in the history of each run; "
            "leave it out, and set the key in the provider's own variable (OPENAI_API_KEY, ANTHROPIC_API_KEY; "
            "for a URL HUB_MODEL_KEY)"
        )


def _secret_in(value: object, path: str, *, headers: bool = False) -> str | None:
    if not isinstance(value, Mapping):
        return None
    for name, inner in cast("Mapping[object, object]", value).items():
        plain, where = _plain(str(name)), f"{path}.{name}" if path else str(name)
        wanted = _SECRET_HEADER if headers else _SECRET
        if plain not in _HARMLESS and wanted.search(plain):
            return f"`{where}`"
        if headers and isinstance(inner, str) and _SCHEMES.match(inner):
            return f"`{where}`"
        deeper = _secret_in(inner, where, headers=plain.endswith(("headers", "extra_query")))
        if deeper is not None:
            return deeper
    return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
