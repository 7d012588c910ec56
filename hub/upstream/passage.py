"""A call on the short lane, from the slot it takes to the end of its answer: less than an `Exchange`, and cheaper."""

import asyncio
from collections.abc import Callable

import anyio

from hub.errors import HubError


class Passage:
    """Holds one slot of a server; `leave` may be called more than once."""

    __slots__ = ("_error", "_left", "_slots", "_task")

    held = False
    """Nobody is asked in the middle of a modern call."""

    def __init__(self, slots: anyio.Semaphore, left: Callable[["Passage"], None]) -> None:
        self._slots: anyio.Semaphore | None = None
        self._left = left
        self._error: HubError | None = None
        self._task = asyncio.current_task()
        try:
            slots.acquire_nowait()
        except anyio.WouldBlock:
            return
        self._slots = slots

    async def enter(self, slots: anyio.Semaphore) -> None:
        """Wait for a slot, if there was none."""
        if self._slots is None:
            await slots.acquire()
            self._slots = slots

    def leave(self) -> None:
        """Give the slot back."""
        if self._slots is not None:
            self._slots.release()
            self._slots = None
        self._left(self)

    def fail(self, error: HubError) -> None:
        """End the call with an error, whatever it is waiting for."""
        if self._error is None and self._task is not None:
            self._error = error
            self._task.cancel()

    def raise_failure(self) -> None:
        """Put what `fail` was called with in the place of the cancellation that it caused.

        Raises:
            HubError: that error; nothing is raised where somebody else cancelled too.
        """
        if self._error is not None and self._task is not None and self._task.uncancel() == 0:
            raise self._error
