"""The lists of one server, kept for as long as it says they are good.

Source: MCP 2026-07-28, server/utilities/caching.
"""

from collections.abc import Awaitable, Callable

import anyio

from hub.catalog.provider import Json, Kind
from hub.upstream.connection import Connection
from hub.upstream.listing import fetch


class ListCache:
    """Fetches each kind once at a time; a change told meanwhile makes the result good for one use only."""

    def __init__(self) -> None:
        self._kept: dict[Kind, tuple[float, list[Json]]] = {}
        self._fetching: dict[Kind, anyio.Lock] = {}
        self._versions: dict[Kind, int] = {}

    async def get(self, kind: Kind, connection: Connection, ask: Callable[[str, Json], Awaitable[Json]]) -> list[Json]:
        async with self._fetching.setdefault(kind, anyio.Lock()):
            kept = self._kept.get(kind)
            if kept is not None and kept[0] > anyio.current_time():
                return kept[1]
            version = self._versions.get(kind, 0)
            listing = await fetch(kind, connection.hello, ask)
            entries = connection.learn_tools(listing.entries) if kind == "tools" else listing.entries
            if listing.ttl_ms and version == self._versions.get(kind, 0):
                self._kept[kind] = (anyio.current_time() + listing.ttl_ms / 1000, entries)
            return entries

    def drop(self, kind: Kind) -> None:
        self._kept.pop(kind, None)
        self._versions[kind] = self._versions.get(kind, 0) + 1

    def clear(self) -> None:
        self._kept.clear()
