"""One request in flight at a server: its clock, and the way back to whoever made it."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio
from anyio.abc import TaskGroup

from hub.catalog.provider import Caller, Json
from hub.errors import CallTimeoutError, HubError
from hub.upstream.wire import passes_level

_MAX_UNTOLD: Final = 1024
logger = logging.getLogger("hub.upstream")

T = TypeVar("T")


class Exchange:
    """A request from the moment it may run until its answer is handed back."""

    __slots__ = (
        "_error",
        "_hold_count",
        "_idle",
        "_timeout_s",
        "_untold",
        "caller",
        "followers",
        "method",
        "params",
        "scope",
    )

    def __init__(self, method: str, params: Json, caller: Caller | None, timeout_s: float) -> None:
        self.method = method
        self.params = params
        self.caller = caller
        self.scope = anyio.CancelScope()
        self.followers: set[anyio.CancelScope] = set()
        """What goes on beside the request and ends with it."""
        self._timeout_s = timeout_s
        self._hold_count = 0
        self._error: HubError | None = None
        self._untold: deque[tuple[str, Json]] | None = None
        self._idle: anyio.Event | None = None

    async def run(self, work: Callable[["Exchange"], Awaitable[T]]) -> T:
        """Do the work under the clock.

        Raises:
            CallTimeoutError: no answer and no progress in time.
            HubError: what `fail` was called with.
        """
        try:
            with self.scope:
                self.touch()
                return await work(self)
        finally:
            for follower in tuple(self.followers):
                follower.cancel()
        raise self._error or CallTimeoutError(f"no answer and no progress within {self._timeout_s:g} s")

    def touch(self) -> None:
        """Start the clock again: the server gave a sign of life for this request."""
        if not self._hold_count:
            self.scope.deadline = anyio.current_time() + self._timeout_s

    @contextmanager
    def hold(self) -> Generator[None]:
        """Stop the clock while somebody is asked."""
        self._hold_count += 1
        self.scope.deadline = float("inf")
        try:
            yield
        finally:
            self._hold_count -= 1
            self.touch()

    @property
    def target(self) -> tuple[str, str] | None:
        """What is called: method and name or URI."""
        name: object = self.params.get("name", self.params.get("uri"))
        return (self.method, name) if isinstance(name, str) else None

    @property
    def held(self) -> bool:
        """Whether somebody is being asked for this request right now."""
        return self._hold_count > 0

    @property
    def timed_out(self) -> bool:
        return self._error is None and anyio.current_time() >= self.scope.deadline

    def fail(self, error: HubError) -> None:
        """End the request with an error, whatever its leg is waiting for."""
        if self._error is None:
            self._error = error
            self.scope.cancel()

    async def pass_on(self, method: str, params: Json) -> None:
        """Hand progress or a log message to the caller and wait until it took it."""
        if self.caller is None:
            return
        try:
            if method == "notifications/progress":
                self.touch()
                await self.caller.progress(params)
            elif method == "notifications/message" and passes_level(params.get("level"), self.caller.log_level):
                await self.caller.log(params)
        except Exception:
            logger.exception("a caller did not take %s", method)

    def pass_on_soon(self, method: str, params: Json, tasks: TaskGroup) -> None:
        """The same without waiting; a caller that does not keep up loses the oldest ones."""
        if method == "notifications/progress":
            self.touch()
        if self._untold is not None:
            self._untold.append((method, params))
            return
        self._untold = deque([(method, params)], maxlen=_MAX_UNTOLD)
        self._idle = anyio.Event()
        tasks.start_soon(self._tell, self._untold, self._idle)

    async def told(self) -> None:
        """Wait until the caller has what was passed on."""
        if self._idle is not None:
            await self._idle.wait()

    async def _tell(self, untold: deque[tuple[str, Json]], idle: anyio.Event) -> None:
        with anyio.CancelScope() as scope:
            self.followers.add(scope)
            try:
                while untold:
                    await self.pass_on(*untold.popleft())
            finally:
                self.followers.discard(scope)
                self._untold = self._idle = None
                idle.set()
