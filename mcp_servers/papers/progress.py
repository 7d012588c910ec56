"""Tell a waiting client why it waits."""

import math
from collections.abc import Awaitable, Callable

import anyio

_STEP_S = 1.0
_WORTH_TELLING_S = 0.05

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one progress notification: progress, total, message."""


class Progress:
    """Progress of one request in seconds since it came in; a client that did not ask for it is told nothing."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began_at = anyio.current_time()
        self._last = 0.0

    async def sleep(self, seconds: float, reason: str) -> None:
        """Sleep, telling each second how long it will take yet."""
        end_at = anyio.current_time() + seconds
        while (rest_s := end_at - anyio.current_time()) > 0:
            if rest_s > _WORTH_TELLING_S:
                await self._tell(f"waiting {math.ceil(rest_s * 10) / 10:g} s: {reason}")
            await anyio.sleep(min(rest_s, _STEP_S))

    async def _tell(self, message: str) -> None:
        # Source: MCP 2026-07-28, basic/utilities/progress: the value must grow with each notification.
        self._last = max(self._last + 0.001, round(anyio.current_time() - self._began_at, 3))
        await self._report(self._last, None, message)
