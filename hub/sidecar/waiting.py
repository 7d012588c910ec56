"""Who waits for a run to reach a status."""

import asyncio
import contextlib
from collections.abc import Callable, Generator

from .errors import StoppingError
from .store import Store, Transaction


class _Waiter:
    """A long poll."""

    def __init__(self, is_reached: Callable[[int], bool]) -> None:
        self.is_reached = is_reached
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class StatusWaiters:
    """Wakes the long polls of a run after a commit that brought it where they want it."""

    def __init__(self, store: Store) -> None:
        self._by_run: dict[str, set[_Waiter]] = {}
        self._is_stopped = False
        store.on_commit(self._absorb)

    async def wait(self, run_id: str, is_reached: Callable[[int], bool]) -> None:
        """Wait until a run comes to a status that `is_reached` accepts, or is gone.

        Raises:
            StoppingError: the sidecar stops.
        """
        with self._watch(run_id, is_reached) as waiter:
            if not self._is_stopped:
                await waiter.woken
        if self._is_stopped:
            raise StoppingError("the sidecar is stopping")

    @contextlib.contextmanager
    def _watch(self, run_id: str, is_reached: Callable[[int], bool]) -> Generator[_Waiter]:
        waiter = _Waiter(is_reached)
        watching = self._by_run.setdefault(run_id, set())
        watching.add(waiter)
        try:
            yield waiter
        finally:
            watching.discard(waiter)
            if not watching and self._by_run.get(run_id) is watching:
                del self._by_run[run_id]

    def stop(self) -> None:
        self._is_stopped = True
        for watching in self._by_run.values():
            for waiter in watching:
                _wake(waiter)

    def _absorb(self, tx: Transaction) -> None:
        for run_id, status in tx.changed.items():
            for waiter in self._by_run.get(run_id, ()):
                if status is None or waiter.is_reached(status):
                    _wake(waiter)


def _wake(waiter: _Waiter) -> None:
    if not waiter.woken.done():
        waiter.woken.set_result(None)
