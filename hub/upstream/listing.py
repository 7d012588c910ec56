"""Fetching a whole list, page by page, from a server that may never come to an end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, cast

from hub.catalog.provider import Json, Kind
from hub.errors import RemoteError, TooLargeError
from hub.upstream.connection import Hello
from hub.upstream.wire import METHOD_NOT_FOUND

MAX_PAGES: Final = 1000
MAX_ENTRIES: Final = 100_000

_METHODS: Final[dict[Kind, tuple[str, str, str]]] = {
    "tools": ("tools", "tools/list", "tools"),
    "prompts": ("prompts", "prompts/list", "prompts"),
    "resources": ("resources", "resources/list", "resources"),
    "templates": ("resources", "resources/templates/list", "resourceTemplates"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All entries of one kind; `ttl_ms` is how long the server lets them be used (0: it does not say)."""

    entries: list[Json]
    ttl_ms: float


async def fetch(kind: Kind, hello: Hello, ask: Callable[[str, Json], Awaitable[Json]]) -> Listing:
    """Walk the pages.

    Raises:
        TooLargeError: there are more than anybody can use.
    """
    capability, method, key = _METHODS[kind]
    entries: list[Json] = []
    if not hello.has(capability):
        return Listing(entries=entries, ttl_ms=0)
    seen: set[str] = set()
    params: Json = {}
    ttl_ms = float("inf")
    for _ in range(MAX_PAGES):
        try:
            page = await ask(method, params)
        except RemoteError as error:
            if error.rpc_code == METHOD_NOT_FOUND and not seen:
                return Listing(entries=entries, ttl_ms=0)
            raise
        found: object = page.get(key)
        if isinstance(found, list):
            entries.extend(cast("Json", entry) for entry in cast("list[object]", found) if isinstance(entry, dict))
        ttl: object = page.get("ttlMs")
        ttl_ms = min(ttl_ms, float(ttl) if isinstance(ttl, int | float) and ttl > 0 else 0.0)
        cursor: object = page.get("nextCursor")
        if len(entries) > MAX_ENTRIES:
            raise TooLargeError(f"it lists more than {MAX_ENTRIES} {kind}")
        if not isinstance(cursor, str) or cursor in seen:
            return Listing(entries=entries, ttl_ms=ttl_ms)
        seen.add(cursor)
        params = {"cursor": cursor}
    raise TooLargeError(f"it lists its {kind} on more than {MAX_PAGES} pages")
