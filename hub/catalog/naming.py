"""Public names: deterministic, safe for every client and model API, at most 64 characters."""

import hashlib
import re

SEPARATOR = "__"
RESERVED_PREFIX = "hub"
MAX_NAME = 64
_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_HASH_CHARS = 8
_URI_SCHEME = "hub:"


def public_name(prefix: str, own_name: str) -> str:
    """The name under which a tool or prompt is listed.

    A character outside `[A-Za-z0-9_-]` becomes `_`. A name that was changed or is too long ends in eight hex digits
    of its sha256, so two different names never become one by the change alone.

    Args:
        prefix: from the configuration; empty for a provider without a prefix.
        own_name: the provider's own name of the entry.
    """
    full = f"{prefix}{SEPARATOR}{own_name}" if prefix else own_name
    safe = _OTHER.sub("_", full)
    if safe == full and len(full) <= MAX_NAME:
        return full
    digest = hashlib.sha256(full.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{safe[: MAX_NAME - _HASH_CHARS - 1]}_{digest}"


def public_uri(provider_name: str, uri: str) -> str:
    """The URI, or URI template, under which an entry is listed when another provider owns its own one already."""
    return f"{_URI_SCHEME}{provider_name}:{uri}"


def own_uri(uri: str) -> tuple[str, str] | None:
    """Undo `public_uri`: the provider's name and its own URI, or None where the URI was never changed."""
    if not uri.startswith(_URI_SCHEME):
        return None
    provider_name, colon, rest = uri[len(_URI_SCHEME) :].partition(":")
    return (provider_name, rest) if colon and rest else None
