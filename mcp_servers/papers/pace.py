"""Ask no faster than the other side wishes."""

import anyio

from mcp_servers.papers.errors import UnreachableError
from mcp_servers.papers.progress import Progress


class Pace:
    """Hands out turns, one each `interval_s`, in the order of asking."""

    def __init__(self, interval_s: float, *, max_wait_s: float) -> None:
        self._interval_s = interval_s
        self._max_wait_s = max_wait_s
        self._next_at = 0.0

    async def turn(self, progress: Progress) -> None:
        """Wait for the next free turn, telling how long that takes.

        Raises:
            UnreachableError: the turn would come later than anybody should wait.
        """
        now = anyio.current_time()
        turn_at = max(now, self._next_at)
        wait_s = turn_at - now
        if wait_s > self._max_wait_s:
            raise UnreachableError(f"arXiv is busy: the next free turn is in {wait_s:.0f} s. Try again then.")
        self._next_at = turn_at + self._interval_s
        try:
            await progress.sleep(wait_s, f"one request to arXiv each {self._interval_s:g} s")
        except BaseException:
            if self._next_at == turn_at + self._interval_s:
                self._next_at = turn_at  # nobody has come after: the turn is free again
            raise

    def hold(self, seconds: float) -> None:
        """Give out no turn for so long, because the other side said so."""
        self._next_at = max(self._next_at, anyio.current_time() + seconds)
