"""The small scheduler inside a run: coroutines that wait for durable results, woken in the history's order."""

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

from hub.workflows.errors import NotDurableError
from hub.workflows.guard import INSTEAD, not_durable
from hub.workflows.sdk import Inbox, SdkTask

T = TypeVar("T")


class Pending(Generic[T]):
    """A durable result that may not be there yet."""

    __slots__ = ("_error", "_listeners", "_value", "done", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        """What is waited for, as messages call it."""
        self.done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._listeners: list[Callable[[], None]] = []

    def __await__(self) -> "Generator[Pending[Any], None, T]":
        if not self.done:
            yield self
        return self.result()

    def result(self) -> T:
        """The result, or the exception, of what has ended."""
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def error(self) -> BaseException | None:
        return self._error

    def resolve(self, value: T) -> None:
        self._end(value, None)

    def fail(self, error: BaseException) -> None:
        self._end(None, error)

    def _end(self, value: object, error: BaseException | None) -> None:
        if self.done:
            return
        self.done, self._value, self._error = True, value, error
        listeners, self._listeners = self._listeners, []
        for tell in listeners:
            tell()

    def when_done(self, tell: Callable[[], None]) -> None:
        """Call this once, now or when the result is there."""
        if self.done:
            tell()
        else:
            self._listeners.append(tell)

    def cancel(self) -> None:
        """Nobody waits for it any more; what is under way in Dapr goes on, and its result is dropped."""
        self.fail(asyncio.CancelledError())


class Job(Pending[T]):
    """A coroutine that runs beside others in the same run."""

    __slots__ = ("_cancelled", "_coroutine", "_scheduler", "_waiting_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], scheduler: "Scheduler", what: str) -> None:
        super().__init__(what)
        self._coroutine = coroutine
        self._scheduler = scheduler
        self._waiting_for: Pending[Any] | None = None
        self._cancelled = False

    def advance(self) -> None:
        """Run it until it waits for something that is not there."""
        if self.done:
            return
        error: BaseException | None = None
        if self._cancelled:
            self._cancelled, error = False, asyncio.CancelledError()
        while True:
            self._waiting_for = None
            try:
                awaited: object = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
            except StopIteration as end:
                self.resolve(end.value)
                return
            except (Exception, asyncio.CancelledError, Restart) as ended:  # noqa: BLE001 - kept for who waits for it
                self.fail(ended)
                return
            error = None
            if not isinstance(awaited, Pending):
                error = not_durable(self._scheduler.name, awaited)
                continue
            waited_for = cast("Pending[Any]", awaited)
            if waited_for.done:
                continue
            self._waiting_for = waited_for
            waited_for.when_done(functools.partial(self._scheduler.wake, self, waited_for))
            return

    def is_waiting_for(self, pending: Pending[Any]) -> bool:
        return self._waiting_for is pending

    def cancel(self) -> None:
        """Raise `CancelledError` where it waits; it may clean up, durably too."""
        if self.done:
            return
        waiting_for = self._waiting_for
        self._waiting_for = None
        self._cancelled = True
        if waiting_for is not None:
            waiting_for.cancel()
        self._scheduler.ready(self)

    def close(self) -> None:
        """End the coroutine where it stands: the turn is over, and the next one replays it."""
        while not self.done:
            try:
                self._coroutine.close()
            except RuntimeError:  # it awaits something in a `finally`; it is ended there too
                continue
            except Exception:  # noqa: BLE001, S110 - what a `finally` raises in a turn that is over is nobody's
                pass
            self.done = True


class Restart(BaseException):
    """Raised by `ctx.continue_as_new`; nothing in a durable function should catch it."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments


class Scheduler:
    """The jobs of one turn, and the inbox through which Dapr tells them what has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inbox = Inbox()
        self._ready: deque[Job[Any]] = deque()
        self._jobs: list[Job[Any]] = []
        self._open: dict[int, tuple[SdkTask, Callable[[SdkTask], None]]] = {}

    def start(self, awaitable: Awaitable[T], what: str) -> Pending[T]:
        """Run a coroutine beside the others, at once until it waits; a durable result stands for itself."""
        if isinstance(awaitable, Pending):
            return awaitable
        if not isinstance(awaitable, Coroutine):
            raise NotDurableError(
                f"durable function {self.name!r} waits for a {type(awaitable).__name__}, which a replay cannot "
                f"repeat: {INSTEAD}"
            )
        job = Job(cast("Coroutine[Any, Any, T]", awaitable), self, what)
        self._jobs.append(job)
        job.advance()
        return job

    def wait_for(self, task: SdkTask, settle: Callable[[SdkTask], None]) -> None:
        """Have `settle` called when Dapr says that the task has ended."""
        self._open[id(task)] = (task, settle)
        self.inbox.adopt(task)

    def wake(self, job: Job[Any], awaited: Pending[Any]) -> None:
        if job.is_waiting_for(awaited):
            self._ready.append(job)

    def ready(self, job: Job[Any]) -> None:
        self._ready.append(job)

    def run_ready(self) -> None:
        """Let everything go on that can."""
        while True:
            while self._ready:
                self._ready.popleft().advance()
            arrived = self.inbox.take()
            if not arrived:
                return
            for task in arrived:
                entry = self._open.pop(id(task), None)
                if entry is not None:
                    entry[1](task)

    @property
    def waits_for_nothing(self) -> bool:
        """Whether no end of anything is to be told any more."""
        return not self._open

    def close(self) -> None:
        for job in self._jobs:
            job.close()
        self._jobs.clear()
