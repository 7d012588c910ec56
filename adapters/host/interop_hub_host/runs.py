"""Runs: one background task a run id, whatever the number of callers that wait for it.

A call waits for the run's end or its next question. The same key twice attaches to the live run, returns the stored
result, or goes on from what the adapter stored.
"""

import asyncio
import hashlib
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .failures import HostError
from .run_record import RunRecord, arguments_digest, question_key
from .storage import DeferredStore, PrefixStore, Store
from .tools import Completed, Draining, HostTool, Paused, Progress, Question, RunContext
from .validation import find_problem

Json = dict[str, Any]

logger = logging.getLogger("interop_hub_host")

QUESTION_LIFE_S: Final = 3600.0
"""How long a live run waits in memory for an answer; later, a repeated call starts it again from its journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """One call of a tool, whatever the era it came in."""

    tool: HostTool
    arguments: Json
    run_id: str | None
    thread: str | None
    context: Json | None
    responses: Mapping[str, Any]
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The run waits for a person."""

    run_id: str
    questions: Mapping[str, Question]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The run has ended well."""

    run_id: str
    completed: Completed


class _Run:
    def __init__(
        self, request: CallRequest, run_id: str, store: Store, draining: Draining, on_end: Callable[[], None]
    ) -> None:
        self.run_id = run_id
        self._on_end = on_end
        self.tool = request.tool
        self.keyed = request.run_id is not None
        self._arguments = request.arguments
        tool_store = PrefixStore(store, f"{request.tool.name}/")
        fence = hashlib.sha256(run_id.encode()).hexdigest()[:32]
        own: Store = PrefixStore(tool_store, f"runs/{fence}/")
        self._deferred = None if self.keyed else DeferredStore(own)
        self.record = RunRecord(self._deferred or own, arguments_digest(request.arguments))
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._watchers: set[asyncio.Future[None]] = set()
        self.listeners: set[Progress] = set()
        self.callers = 0
        self._loop = asyncio.get_running_loop()
        self.stopped = threading.Event()
        self._context = RunContext(
            run_id=run_id,
            thread=request.thread,
            context=request.context,
            keyed=self.keyed,
            store=self._deferred or own,
            tool_store=tool_store,
            answers=self.record.answers,
            progress=self._report,
            ask=self._ask,
            stopped=self.stopped,
            draining=draining,
        )
        self.loaded = self._loop.create_task(self.record.load())
        self.task: asyncio.Task[Completed | Paused] | None = None

    def start(self) -> None:
        """Begin, or go on with, the work; the record is loaded."""
        self.task = self._loop.create_task(self._work())
        self.task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Completed | Paused]") -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.debug("run %s of %s failed", self.run_id, self.tool.name)
        self._wake()
        if self.callers == 0:
            self._on_end()

    async def _work(self) -> Completed | Paused:
        if self.keyed and not self.record.stored:  # before anything that a repeated call would build on
            await self.record.save()
        outcome = await self.tool.call(self._arguments, self._context)
        if isinstance(outcome, Paused):
            self.record.open = dict(outcome.questions)
            await self._persist()
            return outcome
        problem = find_problem(outcome.structured, self.tool.output_schema)
        if problem is not None:
            logger.error("run %s: the result of %s does not fit its schema: %s", self.run_id, self.tool.name, problem)
            raise HostError("internal", f"the result does not fit the output schema (run {self.run_id})")
        self.record.result = outcome
        self.record.open = {}
        if self.keyed:
            await self.record.save()
        return outcome

    async def _persist(self) -> None:
        """From now on somebody may come back: write what was held back."""
        self.keyed = True
        await self.record.save()
        if self._deferred is not None:
            await self._deferred.release()
            self._deferred = None

    async def _ask(self, message: str, schema: Json, *, place: str) -> Any:
        key = question_key(self.run_id, place, message, schema)
        if key in self.record.answers:
            return self.record.answers[key]
        self.record.open = {
            **{other: item for other, item in self.record.open.items() if other in self._waiting},
            key: Question(message=message, schema=schema),
        }
        future = self._waiting[key] = self._loop.create_future()
        try:
            await self._persist()
            self._wake()
            return await asyncio.wait_for(future, QUESTION_LIFE_S)
        except asyncio.TimeoutError:  # noqa: UP041 - not the builtin before Python 3.11
            raise HostError("unavailable", "nobody answered; make the call again to be asked again") from None
        finally:
            self._waiting.pop(key, None)

    async def answer(self, responses: Mapping[str, Any]) -> None:
        for key, answer in (await self.record.take(responses)).items():
            future = self._waiting.get(key)
            if future is not None and not future.done():
                future.set_result(answer)

    @property
    def asking(self) -> bool:
        return any(not future.done() for future in self._waiting.values())

    def _report(self, done: float, total: float | None, message: str) -> None:
        def tell() -> None:
            for listener in tuple(self.listeners):
                listener(done, total, message)

        self._loop.call_soon_threadsafe(tell)

    def _wake(self) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)

    async def changed(self) -> None:
        watcher = self._loop.create_future()
        self._watchers.add(watcher)
        try:
            await watcher
        finally:
            self._watchers.discard(watcher)

    def cancel(self) -> None:
        self.stopped.set()
        for waiting in self._waiting.values():
            waiting.cancel()  # a thread may wait for it
        if self.task is not None:
            self.task.cancel()


class Runs:
    """All live runs of this host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: dict[tuple[str, str], _Run] = {}
        self._draining = Draining()

    async def step(self, request: CallRequest) -> Ended | Asking:
        """Run, or go on with, a call until its end or its next question.

        Raises:
            HostError: the call failed in a way that the caller may read.
        """
        run_id = request.run_id or uuid.uuid4().hex
        key = (request.tool.name, run_id)
        run = self._live.get(key)
        if run is None:
            if self._draining.is_set():
                raise _stopping()
            run = _Run(request, run_id, self._store, self._draining, lambda: self._forget(key))
            self._live[key] = run
        elif run.record.digest != arguments_digest(request.arguments):
            raise HostError("invalid_input", "this idempotency key was used before with other arguments")
        run.callers += 1
        run.listeners.add(request.progress)
        try:
            return await self._follow(run, request.responses)
        except asyncio.CancelledError:
            if run.callers == 1 and not run.asking:
                run.cancel()
            raise
        finally:
            run.callers -= 1
            run.listeners.discard(request.progress)
            over = run.task is None or run.task.done()
            if (over or run.stopped.is_set()) and self._live.get(key) is run:
                del self._live[key]

    def _forget(self, key: tuple[str, str]) -> None:
        """Drop a run that ended while nobody waited for it; what it stored stays."""
        run = self._live.get(key)
        if run is not None and run.callers == 0 and (run.task is None or run.task.done()):
            del self._live[key]

    async def _follow(self, run: _Run, responses: Mapping[str, Any]) -> Ended | Asking:
        await asyncio.shield(run.loaded)
        if run.stopped.is_set():
            raise _stopping()
        if run.record.result is not None:
            return Ended(run_id=run.run_id, completed=run.record.result)
        if responses:
            await run.answer(responses)
        if run.task is None:
            if run.record.open:
                return Asking(run_id=run.run_id, questions=run.record.open)
            run.start()
        while run.task is not None and not run.task.done() and not run.asking:
            await run.changed()
        if run.task is None or not run.task.done():
            return Asking(run_id=run.run_id, questions=dict(run.record.open))
        if run.task.cancelled():
            raise _stopping() if self._draining.is_set() else HostError("cancelled", "the run was cancelled")
        outcome = run.task.result()
        if isinstance(outcome, Paused):
            return Asking(run_id=run.run_id, questions=outcome.questions)
        return Ended(run_id=run.run_id, completed=outcome)

    def abandon(self, tool_name: str, run_id: str) -> None:
        """Stop a run that waits for an answer which can't come any more, and that nobody has a key to."""
        run = self._live.pop((tool_name, run_id), None)
        if run is not None:
            run.cancel()

    async def drain(self, grace_s: float) -> None:
        """Let the live runs come to a safe point, then stop them; what they finished is stored."""
        self._draining.set()
        tasks = {run.task for run in self._live.values() if run.task is not None and not run.asking}
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        left = {run.task for run in self._live.values() if run.task is not None}
        self.cancel_all()
        if left:
            await asyncio.wait(left, timeout=1)

    def cancel_all(self) -> None:
        for run in tuple(self._live.values()):
            run.cancel()


def _stopping() -> HostError:
    return HostError("unavailable", "the host is stopping; the same call goes on when it is back")
