"""Who waits for a run to change its status."""

import asyncio
import contextlib
from collections.abc import Generator

from .store import Store, Transaction


class StatusWaiters:
    """Wakes the long polls of a run after a commit that changed it."""

    def __init__(self, store: Store) -> None:
        self._by_run: dict[str, set[asyncio.Event]] = {}
        self.is_stopped = False
        store.on_commit(self._absorb)

    @contextlib.contextmanager
    def watch(self, run_id: str) -> Generator[asyncio.Event]:
        """An event that is set whenever the run's status has changed."""
        changes = asyncio.Event()
        watching = self._by_run.setdefault(run_id, set())
        watching.add(changes)
        try:
            yield changes
        finally:
            watching.discard(changes)
            if not watching and self._by_run.get(run_id) is watching:
                del self._by_run[run_id]

    def stop(self) -> None:
        self.is_stopped = True
        for watching in self._by_run.values():
            for changes in watching:
                changes.set()

    def _absorb(self, tx: Transaction) -> None:
        for run_id in tx.changed:
            for changes in self._by_run.get(run_id, ()):
                changes.set()
