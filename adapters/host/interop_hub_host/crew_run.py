"""What one run of a crew carries with it, on whatever thread and however deep in the framework.

CrewAI has few seams of its own for this. Two of its methods are replaced once a process by wrappers that look at a
context variable and do nothing outside of a run: `Task.aexecute_sync`, between whose calls a crew can be journaled, and
`BaseLLM._track_token_usage_internal`, through which each model call's usage passes.
"""

import contextlib
import contextvars
import functools
import threading
from collections.abc import Awaitable, Callable, Generator
from importlib import import_module
from typing import Any

from .crew_schema import USAGE_KEYS
from .failures import HostError
from .tools import RunContext

Json = dict[str, Any]


class Usage:
    """Counts the tokens of one run: crewai counts a model that agents share once for each of them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {key: 0 for key in USAGE_KEYS}  # noqa: C420 - the keys' literal types would stick
        self._lock = threading.Lock()

    def add(self, counts: Json) -> None:
        with self._lock:
            for key in USAGE_KEYS:
                self._counts[key] += int(counts.get(key) or 0)

    def to_plain(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)


class CrewRun:
    """The framework's side of one call."""

    def __init__(self, ctx: RunContext) -> None:
        self.ctx = ctx
        self.usage = Usage()
        self.failed: HostError | None = None
        """Why the run can only end: agents try again after any exception, and no model is to be asked for that."""
        self.asked = 0
        """How often `Flow.ask` was called."""
        self.tasks: dict[int, int] = {}
        """`id` of a task of the crew -> its place."""
        self.task_done: Callable[[int, Any], Awaitable[None]] | None = None


_current: contextvars.ContextVar[CrewRun | None] = contextvars.ContextVar("interop_hub_crew_run", default=None)
_patching = threading.Lock()


def current_run() -> CrewRun | None:
    """Give the run that this code is part of."""
    return _current.get()


def _install() -> None:
    task_class = import_module("crewai.task").Task
    llm_class = import_module("crewai.llms.base_llm").BaseLLM
    metrics_class = import_module("crewai.types.usage_metrics").UsageMetrics
    with _patching:
        if hasattr(task_class.aexecute_sync, "__interop_hub__"):
            return
        execute = task_class.aexecute_sync
        track = llm_class._track_token_usage_internal

        @functools.wraps(execute)
        async def aexecute_sync(self: Any, *arguments: Any, **options: Any) -> Any:
            output = await execute(self, *arguments, **options)
            run = _current.get()
            if run is not None and run.task_done is not None and id(self) in run.tasks:
                await run.task_done(run.tasks[id(self)], output)
            return output

        @functools.wraps(track)
        def track_usage(self: Any, usage_data: Any) -> None:
            track(self, usage_data)
            run = _current.get()
            metrics = metrics_class.from_provider_dict(usage_data) if run is not None else None
            if run is not None and metrics is not None:
                run.usage.add(metrics.model_dump())

        aexecute_sync.__interop_hub__ = True  # pyright: ignore[reportAttributeAccessIssue] - a mark on our own wrapper
        task_class.aexecute_sync = aexecute_sync
        llm_class._track_token_usage_internal = track_usage


@contextlib.contextmanager
def carried(run: CrewRun, on_event: Callable[[Any, Any], None]) -> Generator[None]:
    """Make a run's context: events, people's answers, usage, and the end of model calls after a cancel."""
    from .crew_people import people

    _install()
    stream = import_module("crewai.events.stream_context")
    human = import_module("crewai.core.providers.human_input")
    hooks = import_module("crewai.hooks.dispatch")
    point = hooks.InterceptionPoint.PRE_MODEL_CALL

    def refuse_after_the_end(_: Any) -> None:
        if run.ctx.stopped.is_set() or run.failed is not None:
            raise hooks.HookAborted("the call has ended", source="interop_hub_host")

    token = _current.set(run)
    sink = stream.add_stream_sink(on_event)
    provider = human.set_provider(people(run))
    try:
        with hooks.scoped_hooks():
            hooks.register_scoped(point, refuse_after_the_end)
            yield
    finally:
        human.reset_provider(provider)
        stream.reset_stream_sinks(sink)
        _current.reset(token)
