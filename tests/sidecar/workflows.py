"""The workflows and activities that the scenarios run, written for the unmodified SDK."""

import asyncio
import gc
import threading
import time
import warnings
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import FunctionType
from typing import Any

import dapr.ext.workflow as wf

Steps = Generator[Any, Any, Any]
# The SDK types its contexts and tasks only half, so they are taken as they come.
Context = Any
ActivityContext = Any
sdk: Any = wf


class Gate:
    """Lets activities tell that they have begun, and holds them until they may go on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[str, threading.Event] = {}
        self._open: dict[str, threading.Event] = {}
        self.counts: Counter[str] = Counter()

    def count(self, name: str) -> int:
        with self._lock:
            self.counts[name] += 1
            return self.counts[name]

    def pass_through(self, name: str) -> None:
        self.begun(name).set()
        if not self.opened(name).wait(30):
            raise TimeoutError(name)

    def begun(self, name: str) -> threading.Event:
        with self._lock:
            return self._begun.setdefault(name, threading.Event())

    def opened(self, name: str) -> threading.Event:
        with self._lock:
            return self._open.setdefault(name, threading.Event())


GATE = Gate()


def add(_ctx: ActivityContext, numbers: list[int]) -> int:
    return sum(numbers)


def echo(_ctx: ActivityContext, value: Any) -> Any:
    return value


async def pause_and_echo(_ctx: ActivityContext, value: int) -> int:
    await asyncio.sleep(0.02)
    return value


def flaky(_ctx: ActivityContext, key: str) -> int:
    attempt = GATE.count(key)
    if attempt < 3:
        raise ValueError(f"attempt {attempt} fails")
    return attempt


def broken(_ctx: ActivityContext, key: str) -> None:
    GATE.count(key)
    raise KeyError("no such thing")


def gated(_ctx: ActivityContext, key: str) -> str:
    GATE.count(key)
    GATE.pass_through(key)
    return key


def who(ctx: ActivityContext, _value: None) -> list[Any]:
    return [ctx.workflow_id, ctx.task_id]


def seen_history(ctx: ActivityContext, _value: None) -> list[str]:
    history = ctx.get_propagated_history()
    return [] if history is None else [workflow.name for workflow in history.get_workflows()]


def chain(ctx: Context, start: int) -> Steps:
    first = yield ctx.call_activity("add", input=[start, 1])
    second = yield ctx.call_activity("add", input=[first, 1])
    ctx.set_custom_status("both done")
    return {"result": second}


def fan_out(ctx: Context, count: int) -> Steps:
    results = yield sdk.when_all([ctx.call_activity("pause_and_echo", input=number) for number in range(count)])
    return sum(results)


def wide(ctx: Context, values: list[int]) -> Steps:
    return (yield sdk.when_all([ctx.call_activity("add", input=[value, 0]) for value in values]))


def wide_with_failure(ctx: Context, key: str) -> Steps:
    try:
        yield sdk.when_all([ctx.call_activity("add", input=[1, 1]), ctx.call_activity("broken", input=key)])
    except wf.TaskFailedError as error:
        return error.details.error_type
    return "nothing failed"


def short_timer(ctx: Context, _input: None) -> Steps:
    started = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(seconds=0.2))
    return (ctx.current_utc_datetime - started).total_seconds() >= 0.2


def two_timers(ctx: Context, _input: None) -> Steps:
    late = ctx.create_timer(timedelta(hours=10_000))
    soon = ctx.create_timer(timedelta(seconds=0.1))
    winner = yield sdk.when_any([late, soon])
    return "soon" if winner is soon else "late"


def retried(ctx: Context, key: str) -> Steps:
    policy = wf.RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=5)
    return (yield ctx.call_activity("flaky", input=key, retry_policy=policy))


def exhausted(ctx: Context, key: str) -> Steps:
    policy = wf.RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=2)
    yield ctx.call_activity("broken", input=key, retry_policy=policy)


def catching(ctx: Context, key: str) -> Steps:
    try:
        yield ctx.call_activity("broken", input=key)
    except wf.TaskFailedError as error:
        return [error.details.error_type, error.details.message]


def child(ctx: Context, number: int) -> Steps:
    return (yield ctx.call_activity("add", input=[number, 10]))


def parent(ctx: Context, number: int) -> Steps:
    named = f"{ctx.instance_id}-named"
    first = ctx.call_child_workflow("child", input=number)
    second = ctx.call_child_workflow("child", input=number + 1, instance_id=named)
    return (yield sdk.when_all([first, second]))


def grandparent(ctx: Context, number: int) -> Steps:
    return (yield ctx.call_child_workflow("parent", input=number))


def failing_child(ctx: Context, _input: None) -> Steps:
    yield ctx.call_activity("add", input=[1, 1])
    raise RuntimeError("the child fails")


def catching_parent(ctx: Context, _input: None) -> Steps:
    try:
        yield ctx.call_child_workflow("failing_child")
    except wf.TaskFailedError as error:
        return [error.details.error_type, error.details.message]


def flaky_child(ctx: Context, key: str) -> Steps:
    yield ctx.call_activity("add", input=[1, 1])
    if GATE.count(f"child-{key}") < 6:  # counts replays too: each attempt runs the body twice
        raise ValueError("not yet")
    return "at last"


def retrying_parent(ctx: Context, key: str) -> Steps:
    policy = wf.RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=9)
    return (yield ctx.call_child_workflow("flaky_child", input=key, retry_policy=policy))


def parent_of(ctx: Context, child_id: str) -> Steps:
    try:
        return (yield ctx.call_child_workflow("event", instance_id=child_id))
    except wf.TaskFailedError as error:
        return ["failed", error.details.error_type]


def event(ctx: Context, _input: None) -> Steps:
    return (yield ctx.wait_for_external_event("Approve"))


def three_events(ctx: Context, _input: None) -> Steps:
    got: list[Any] = []
    while len(got) < 3:
        event = yield ctx.wait_for_external_event("e")
        got.append(event)
    return got


def event_or_timer(ctx: Context, seconds: float) -> Steps:
    timer = ctx.create_timer(timedelta(seconds=seconds))
    raised = ctx.wait_for_external_event("go")
    winner = yield sdk.when_any([raised, timer])
    return "timer" if winner is timer else raised.get_result()


def event_with_timeout(ctx: Context, seconds: float) -> Steps:
    try:
        return (yield ctx.wait_for_external_event("go", timeout=timedelta(seconds=seconds)))
    except TimeoutError:
        return "timed out"


def counting(ctx: Context, number: int) -> Steps:
    number = yield ctx.call_activity("add", input=[number, 1])
    if number < 5:
        ctx.continue_as_new(number)
        return None
    return number


def collecting(ctx: Context, seen: list[str]) -> Steps:
    seen = [*seen, (yield ctx.wait_for_external_event("e"))]
    if len(seen) == 3:
        return seen
    ctx.continue_as_new(seen, save_events=True)
    return None


def renewing_with_timer(ctx: Context, generation: int) -> Steps:
    """Leaves a timer behind in each generation; only the last one's may count."""
    stale = ctx.create_timer(timedelta(seconds=0.3))
    if generation < 2:
        yield ctx.call_activity("add", input=[generation, 1])
        ctx.continue_as_new(generation + 1)
        return None
    started = ctx.current_utc_datetime
    yield stale
    return (ctx.current_utc_datetime - started).total_seconds() >= 0.3


def shifting(ctx: Context, key: str) -> Steps:
    if GATE.count(key) == 1:
        yield ctx.call_activity("add", input=[1, 1])
    else:
        yield ctx.create_timer(timedelta(seconds=1))


def gated_run(ctx: Context, key: str) -> Steps:
    ctx.set_custom_status("at the gate")
    return (yield ctx.call_activity("gated", input=key))


def version_one(ctx: Context, _input: None) -> Steps:
    yield ctx.call_activity("add", input=[1, 0])
    return "one"


def version_two(ctx: Context, _input: None) -> Steps:
    yield ctx.call_activity("add", input=[1, 0])
    return "two"


def patched(ctx: Context, _input: None) -> Steps:
    is_patched = ctx.is_patched("p1")
    yield ctx.call_activity("add", input=[1, 1])
    return is_patched


def passing_on(ctx: Context, value: Any) -> Steps:
    return (yield ctx.call_activity("echo", input=value))


def asking_who(ctx: Context, _input: None) -> Steps:
    return (yield ctx.call_activity("who"))


def immediate(_ctx: Context, value: Any) -> Any:
    return value


def propagating(ctx: Context, scope: str) -> Steps:
    wanted = wf.PropagationScope[scope]
    own = yield ctx.call_activity("seen_history", propagation=wanted)
    below = yield ctx.call_child_workflow("propagating_child", input=scope, propagation=wanted)
    return [own, below]


def propagating_child(ctx: Context, scope: str) -> Steps:
    received = ctx.get_propagated_history()
    names = [] if received is None else [workflow.name for workflow in received.get_workflows()]
    below = yield ctx.call_activity("seen_history", propagation=wf.PropagationScope[scope])
    return [names, below]


def add_then_wait(ctx: Context, start: int) -> Steps:
    first = yield ctx.call_activity("add", input=[start, 1])
    yield ctx.create_timer(timedelta(seconds=0.05))
    second = yield ctx.call_activity("add", input=[first, 100])
    return [first, second]


ACTIVITIES = (add, echo, pause_and_echo, flaky, broken, gated, who, seen_history)
WORKFLOWS = (
    chain,
    fan_out,
    wide,
    wide_with_failure,
    short_timer,
    two_timers,
    retried,
    exhausted,
    catching,
    child,
    parent,
    grandparent,
    failing_child,
    catching_parent,
    flaky_child,
    retrying_parent,
    parent_of,
    event,
    three_events,
    event_or_timer,
    event_with_timeout,
    counting,
    collecting,
    renewing_with_timer,
    shifting,
    gated_run,
    patched,
    passing_on,
    asking_who,
    immediate,
    propagating,
    propagating_child,
    add_then_wait,
)


def _fresh(function: Any) -> Any:
    """The same function as another object: the SDK marks those that it has registered, for one runtime a process."""
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )


def build_runtime(host: str, port: int) -> wf.WorkflowRuntime:
    """A worker with everything in this module, not yet started."""
    runtime: Any = sdk.WorkflowRuntime(host=host, port=str(port))
    for activity in ACTIVITIES:
        runtime.register_activity(_fresh(activity), name=activity.__name__)
    for workflow in WORKFLOWS:
        runtime.register_workflow(_fresh(workflow), name=workflow.__name__)
    runtime.register_versioned_workflow(_fresh(version_one), name="versioned", version_name="one", is_latest=False)
    runtime.register_versioned_workflow(_fresh(version_two), name="versioned", version_name="two", is_latest=True)
    return runtime


@contextmanager
def running_worker(host: str, port: int) -> Generator[None]:
    """The SDK's worker with everything in this module."""
    with _started(build_runtime(host, port)):
        yield


@contextmanager
def running_runtime(
    host: str, port: int, workflows: Mapping[str, Any], activities: Mapping[str, Any] | None = None
) -> Generator[None]:
    """The SDK's worker with these workflows and activities, by name."""
    runtime: Any = sdk.WorkflowRuntime(host=host, port=str(port))
    for name, function in workflows.items():
        runtime.register_workflow(_fresh(function), name=name)
    for name, function in (activities or {}).items():
        runtime.register_activity(_fresh(function), name=name)
    with _started(runtime):
        del runtime
        yield


@contextmanager
def _started(runtime: Any) -> Generator[None]:
    before = set(threading.enumerate())
    runtime.start()
    try:
        yield
    finally:
        runtime.shutdown()
        del runtime
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the SDK never closes its worker's event loop
            ends_at = time.monotonic() + 5
            while True:  # a thread of that loop's executor may be at its last call, and holds the loop until then
                gc.collect()
                left = [
                    each for each in threading.enumerate() if each not in before and each.name.startswith("asyncio_")
                ]
                if not left or time.monotonic() > ends_at:
                    break
                left.pop().join(0.1)
