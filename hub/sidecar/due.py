"""Timers of runs: each fires into its run's inbox when its time has come."""

import asyncio
import logging
import math
import time

import anyio

from .errors import SidecarError
from .inbox import release_due
from .store import Store, Transaction

logger = logging.getLogger(__name__)

LONGEST_SLEEP_S = 60.0
"""So that a clock that was set, or a machine that slept, is noticed."""
PAUSE_AFTER_ERROR_S = 1.0


class DueTimers:
    """Knows when the next timer is due, and makes visible what is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_due_at = 0.0
        self._sooner = asyncio.Event()
        store.on_commit(self._absorb)

    async def run(self) -> None:
        """Let timers fire until cancelled."""
        while True:
            with anyio.move_on_after(min(LONGEST_SLEEP_S, max(0.0, self._next_due_at - time.time()))):
                await self._sooner.wait()
            self._sooner.clear()
            if self._next_due_at > time.time():
                continue
            self._next_due_at = math.inf
            try:
                await self._store.change(release_due)
            except SidecarError as error:
                logger.warning("timers cannot fire: %s", error)
                self._next_due_at = 0.0
                await anyio.sleep(PAUSE_AFTER_ERROR_S)

    def _absorb(self, tx: Transaction) -> None:
        if tx.next_due_at < self._next_due_at:
            self._next_due_at = tx.next_due_at
            self._sooner.set()
