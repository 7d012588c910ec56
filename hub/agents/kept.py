"""What is opened at its first use, stays open while it is used, and is closed when nobody has used it for a while."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar, cast

import anyio
import anyio.abc

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Kept(Generic[T]):
    """One context that many steps use; a task of its own enters and leaves it.

    Args:
        what: as the log calls it.
        open_context: makes the context; called anew after each close.
        idle_s: seconds without use after which it is closed, at twice the time at the latest; never while in use.
    """

    def __init__(
        self,
        what: str,
        open_context: Callable[[], AbstractAsyncContextManager[T]],
        *,
        group: anyio.abc.TaskGroup,
        idle_s: float,
    ) -> None:
        self._what = what
        self._open_context = open_context
        self._group = group
        self._idle_s = idle_s
        self._held: _Held[T] | None = None
        self._opening = anyio.Lock()
        self._users = 0
        self._used_at = 0.0
        self._unused = anyio.Event()

    @property
    def is_open(self) -> bool:
        return self._held is not None

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncGenerator[T]:
        """The open thing, in use.

        Raises:
            Exception: whatever opening it raises.
        """
        self._users += 1
        try:
            async with self._opening:
                held = self._held or await self._open()
            yield cast("T", held.value)
        finally:
            self._users -= 1
            self._used_at = anyio.current_time()
            if not self._users:
                self._unused.set()

    async def close_unused(self) -> None:
        """Close it once nobody uses it; a later use opens it again."""
        while self._users:
            self._unused = anyio.Event()
            await self._unused.wait()
        await self.close()

    async def close(self) -> None:
        """Close it, whoever uses it; a later use opens it again."""
        held, self._held = self._held, None
        if held is not None:
            with anyio.CancelScope(shield=True):
                held.told_to_end.set()
                await held.ended.wait()

    async def _open(self) -> "_Held[T]":
        held = _Held[T]()
        await self._group.start(self._hold, held)
        if held.error is not None:
            raise held.error
        return held

    async def _hold(self, held: "_Held[T]", *, task_status: anyio.abc.TaskStatus[None]) -> None:
        begun = False
        try:
            async with self._open_context() as value:
                held.value = value
                begun, self._held = True, held
                task_status.started()
                await self._until_unused(held)
                if self._held is held:
                    self._held = None  # in one go with the last look: who comes now opens another one
        except Exception as error:  # noqa: BLE001 - the boundary to what servers and stores raise; told or logged
            if begun:
                _log.warning("%s did not end well; its next use opens it again", self._what, exc_info=error)
            else:
                held.error = error
                task_status.started()
        finally:
            if self._held is held:
                self._held = None
            held.ended.set()

    async def _until_unused(self, held: "_Held[T]") -> None:
        wait_s = self._idle_s
        while True:
            with anyio.move_on_after(wait_s):
                await held.told_to_end.wait()
                return
            quiet_s = 0.0 if self._users else anyio.current_time() - self._used_at
            if quiet_s >= self._idle_s:
                _log.debug("%s is closed: nobody has used it for %g s", self._what, quiet_s)
                return
            wait_s = self._idle_s - quiet_s


class _Held(Generic[T]):
    """One time that it is open."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: Exception | None = None
        self.told_to_end = anyio.Event()
        self.ended = anyio.Event()
