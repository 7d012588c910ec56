"""How much a legacy server's session logs: as much as the most curious caller so far wanted."""

from collections.abc import Awaitable, Callable

from hub.catalog.provider import Json
from hub.errors import HubError
from hub.upstream.connection import Hello
from hub.upstream.wire import LOG_LEVELS


class LogThreshold:
    """Keeps the level of one session; each caller's own level is applied to what comes back.

    Source: MCP 2025-11-25, server/utilities/logging.
    """

    def __init__(self, hello: Hello) -> None:
        self._enabled = hello.era == "legacy" and hello.has("logging")
        self._level = len(LOG_LEVELS)

    def must_lower(self, level: str | None) -> bool:
        return self._enabled and level in LOG_LEVELS and LOG_LEVELS.index(level) < self._level

    async def lower(self, level: str | None, ask: Callable[[str, Json], Awaitable[Json]]) -> None:
        """Have the session log from `level` on; a server that refuses keeps what it had."""
        if level is None:
            return
        self._level = LOG_LEVELS.index(level)
        try:
            await ask("logging/setLevel", {"level": level})
        except HubError:
            self._enabled = False
