"""What a durable function does everything through."""

import json
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from hub.errors import InvalidInputError
from hub.workflows.asking import ask
from hub.workflows.attempts import run_child, run_step
from hub.workflows.errors import NotDurableError
from hub.workflows.event_waits import EventWaits
from hub.workflows.ids import check_id, fitting_id
from hub.workflows.question import Question, Reply
from hub.workflows.retry import NO_RETRY, RetryPolicy
from hub.workflows.scheduler import Pending, Restart, Scheduler
from hub.workflows.sdk import SdkTask, TurnContext
from hub.workflows.together import gather, race
from hub.workflows.trace import trace_in
from hub.workflows.values import adapter_of, to_json_text, to_json_value

if TYPE_CHECKING:
    from hub.workflows.steps import Step, Steps
    from hub.workflows.workflow import Workflow

T = TypeVar("T")

ENVELOPE = "hub/run"
"""Key in a run's input that holds what is not an argument; no parameter can have that name."""


_current: ContextVar["Context | None"] = ContextVar("hub_context", default=None)


def current_context() -> "Context | None":
    """The context of the durable function that this code runs in, or None: it runs outside of one, in a step say."""
    return _current.get()


class Context:
    """The one thing that a durable function may take time, randomness, I/O and identity from.

    What the methods return may be awaited at once or later; a step is scheduled when it is called, not when it is
    awaited, and the order of the calls is what a replay repeats.
    """

    def __init__(
        self,
        turn: TurnContext,
        scheduler: Scheduler,
        steps: "Steps",
        *,
        envelope: Mapping[str, Any],
        max_payload_bytes: int,
    ) -> None:
        self._turn = turn
        self._scheduler = scheduler
        self._steps = steps
        self._max_payload_bytes = max_payload_bytes
        self._generation = int(envelope.get("generation", 1))
        self._meta: dict[str, Any] = dict(envelope.get("meta") or {})
        self._counts: dict[str, int] = {}
        self._keys: set[str] = set()
        self._uuids = 0
        self._random = random.Random(f"{turn.instance_id}/{self._generation}")  # noqa: S311 - no secret: it must repeat
        self._jitter = random.Random(f"{turn.instance_id}/{self._generation}/jitter")  # noqa: S311 - the same
        self._events = EventWaits(self)
        self._shown: dict[str, Any] = {}
        self._shown_changed = False
        self._usable = False
        self._closing = False

    # Who and when

    @property
    def run_id(self) -> str:
        """The run's id, which is Dapr's workflow instance id."""
        return self._turn.instance_id

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the run was started with besides its arguments; child runs inherit it."""
        return self._meta

    @property
    def trace(self) -> Mapping[str, str]:
        """The trace that the run belongs to: `traceparent`, and `tracestate` where there is one; or nothing."""
        return trace_in(self._meta)

    @property
    def generation(self) -> int:
        """1, and one more after each `continue_as_new`."""
        return self._generation

    @property
    def is_replaying(self) -> bool:
        """Whether this code has run before; for logs, never for a decision."""
        return self._turn.is_replaying

    def now(self) -> datetime:
        """The time at which this turn of the run began, UTC; the same on each replay."""
        return self._turn.current_utc_datetime.replace(tzinfo=UTC)

    def uuid(self) -> uuid.UUID:
        """A new id that each replay gives again."""
        self._uuids += 1
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self.run_id}/{self._generation}/{self._uuids}")

    @property
    def random(self) -> random.Random:
        """Chance that each replay repeats; not for secrets."""
        return self._random

    def patched(self, name: str) -> bool:
        """Whether this run takes the changed way: yes for runs that come here for the first time after the change."""
        self._check("patched")
        return self._turn.is_patched(name)

    # Steps, waits, children

    @overload
    def step(
        self,
        fn: "Step[..., Awaitable[T]] | Callable[..., Awaitable[T]]",
        /,
        *args: Any,
        retry: RetryPolicy | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
        **kwargs: Any,
    ) -> Pending[T]: ...
    @overload
    def step(
        self,
        fn: "Step[..., T] | Callable[..., T]",
        /,
        *args: Any,
        retry: RetryPolicy | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
        **kwargs: Any,
    ) -> Pending[T]: ...
    @overload
    def step(
        self,
        fn: str,
        /,
        *args: Any,
        retry: RetryPolicy | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
        **kwargs: Any,
    ) -> Pending[Any]: ...
    def step(
        self,
        fn: "Step[..., Any] | Callable[..., Any] | str",
        /,
        *args: Any,
        retry: RetryPolicy | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
        **kwargs: Any,
    ) -> Pending[Any]:
        """Run a function outside of the replay, at least once, and keep its result for ever.

        Args:
            fn: a sync or async function at the top of a module, a `@step`, or a name that the worker knows.
            retry: when it is tried again; without one, only after a `RetryAfterError`.
            timeout_s: seconds that one attempt may take.
            key: names this call within the run, for the idempotency key; the step's name and its number unless given.

        Returns:
            The result, once awaited.

        Raises:
            InvalidInputError: the arguments do not fit, or the key is taken.
            UnserialisableError: an argument is no JSON.
            StepFailedError: when awaited; the function raised, and the policy allows no further try.
        """
        self._check("step")
        found = self._steps.find(fn)
        ordinal = self._count(found.name)
        name = key or f"{found.name}#{ordinal}"
        self._claim(name)
        payload: dict[str, Any] = {"args": found.signature.dump(args, kwargs), "key": self.full_key(name)}
        if timeout_s is not None:
            payload["timeout_s"] = timeout_s
        to_json_text(payload["args"], f"the arguments of step {found.name}", self._max_payload_bytes)
        return self._scheduler.start(run_step(self, found, payload, retry or NO_RETRY), f"step {name}")

    def sleep(self, seconds: float | timedelta) -> Pending[None]:
        """Wait durably: a restart of any process does not lengthen it."""
        self._check("sleep")
        delta = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        return self._wait_for(self._turn.create_timer(max(delta, timedelta(0))), f"a sleep of {delta}")

    def sleep_until(self, at: datetime) -> Pending[None]:
        """Wait durably for a moment, which has to be timezone-aware."""
        self._check("sleep_until")
        if at.utcoffset() is None:
            raise InvalidInputError("sleep_until: expected a time with a timezone")
        return self._wait_for(self._turn.create_timer(at), f"a sleep until {at.isoformat()}")

    @overload
    def wait_event(self, name: str, /, *, timeout_s: float | None = None) -> Pending[Any]: ...
    @overload
    def wait_event(self, name: str, as_type: type[T], /, *, timeout_s: float | None = None) -> Pending[T]: ...
    def wait_event(self, name: str, as_type: Any = None, /, *, timeout_s: float | None = None) -> Pending[Any]:
        """Wait for an event that somebody sends to this run; one sent earlier counts, each counts once.

        Args:
            name: upper and lower case do not differ.
            as_type: what the event's data is made into.

        Raises:
            EventTimeoutError: when awaited; none came in `timeout_s`.
            InvalidInputError: when awaited; the data does not fit `as_type`.
        """
        self._check("wait_event")
        adapter = None if as_type is None else adapter_of(as_type)
        return self._scheduler.start(self._events.wait_for(name, adapter, timeout_s), f"event {name!r}")

    @overload
    def child(
        self,
        workflow: "Workflow[..., T]",
        /,
        *args: Any,
        retry: RetryPolicy | None = None,
        run_id: str | None = None,
        meta: Mapping[str, Any] | None = None,
        app_id: str | None = None,
        **kwargs: Any,
    ) -> Pending[T]: ...
    @overload
    def child(
        self,
        workflow: str,
        /,
        *args: Any,
        retry: RetryPolicy | None = None,
        run_id: str | None = None,
        meta: Mapping[str, Any] | None = None,
        app_id: str | None = None,
        **kwargs: Any,
    ) -> Pending[Any]: ...
    def child(
        self,
        workflow: "Workflow[..., Any] | str",
        /,
        *args: Any,
        retry: RetryPolicy | None = None,
        run_id: str | None = None,
        meta: Mapping[str, Any] | None = None,
        app_id: str | None = None,
        **kwargs: Any,
    ) -> Pending[Any]:
        """Start another run and wait for its result; it is cancelled with this one.

        Args:
            workflow: a workflow, or the name of one (of another app too); a name takes keyword arguments only.
            run_id: the child's id; made from this run's id, the workflow's name and its number unless given.
            meta: added to what the child inherits.

        Raises:
            ChildFailedError: when awaited; it failed or was cancelled.
        """
        self._check("child")
        if isinstance(workflow, str):
            if args:
                raise InvalidInputError(f"child {workflow!r}: give the arguments by name")
            name, signature = workflow, None
            payload = {key: to_json_value(value, f"argument `{key}` of {name}") for key, value in kwargs.items()}
        else:
            name, signature = workflow.name, workflow.signature
            payload = signature.dump(args, kwargs)
        to_json_text(payload, f"the arguments of child {name}", self._max_payload_bytes)
        inherited = {**self._meta, **(meta or {})}
        if inherited:
            payload[ENVELOPE] = {"meta": inherited}
        ordinal = self._count(f"child:{name}")
        generation = f"g{self._generation}:" if self._generation > 1 else ""
        made = fitting_id(f"{self.run_id}:{generation}{name}-{ordinal}")
        child_id = made if run_id is None else check_id(run_id)
        running = run_child(self, name, signature, payload, child_id, app_id, retry or NO_RETRY)
        return self._scheduler.start(running, f"child {name}#{ordinal}")

    @overload
    async def gather(self, *awaitables: Awaitable[T]) -> list[T]: ...
    @overload
    async def gather(self, *awaitables: Awaitable[Any], return_errors: bool) -> list[Any]: ...
    async def gather(self, *awaitables: Awaitable[Any], return_errors: bool = False) -> list[Any]:
        """Run all at once and wait until each has ended, in the order given.

        Args:
            return_errors: give exceptions back in their places instead of raising the first one.

        Raises:
            BaseException: the first one in the order given, when nothing runs any more.
        """
        self._check("gather")
        return await gather(self._scheduler, awaitables, return_errors=return_errors)

    async def race(self, *awaitables: Awaitable[Any]) -> tuple[int, Any]:
        """Run all at once; the first to end wins, the others are cancelled.

        Returns:
            The winner's place and its result.

        Raises:
            BaseException: the winner's own.
        """
        self._check("race")
        return await race(self._scheduler, awaitables)

    # People

    async def ask(self, question: Question | str, *, timeout_s: float | None = None, key: str | None = None) -> Reply:
        """Ask a person, or the calling client, and wait for the answer without holding anything.

        The question is stored by a step; the run waits for the event that brings the stored answer. Where that event
        does not come in time, or does not carry the answer, a step looks in the store.

        Raises:
            EventTimeoutError: no answer came in `timeout_s`; the question is closed.
        """
        self._check("ask")
        asked = Question.form(question) if isinstance(question, str) else question
        return await ask(self, asked, key or f"ask#{self._count('ask')}", timeout_s)

    # What is seen from outside

    def status(self, text: str) -> None:
        """Say in a few words what the run is at."""
        self._check("status")
        self.show("status", text)

    def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the run is."""
        self._check("progress")
        shown = {"progress": progress, "total": total, "message": message}
        self.show("progress", {name: value for name, value in shown.items() if value is not None})

    def continue_as_new(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Begin again with these arguments and an empty history; events that nobody has taken are kept."""
        self._check("continue_as_new")
        raise Restart({"args": args, "kwargs": kwargs})

    # For the modules beside this one

    def next_envelope(self) -> dict[str, Any]:
        """What the next generation's input holds besides its arguments."""
        return {"generation": self._generation + 1, **({"meta": self._meta} if self._meta else {})}

    def settle_shown(self) -> None:
        """Hand what is shown to Dapr, once a turn."""
        if self._shown_changed:
            self._shown_changed = False
            self._turn.set_custom_status(json.dumps(self._shown, separators=(",", ":")))

    def enter(self) -> None:
        self._usable = True
        _current.set(self)

    def leave(self) -> None:
        self._usable = False
        _current.set(None)

    def close(self) -> None:
        """End the turn: code that a closing coroutine still runs (a `finally`) gets no further than to here."""
        self._closing = True
        try:
            self._scheduler.close()
        finally:
            self._closing = False

    @property
    def turn(self) -> TurnContext:
        return self._turn

    @property
    def scheduler(self) -> Scheduler:
        return self._scheduler

    @property
    def shown(self) -> Mapping[str, Any]:
        """What is seen of the run from outside."""
        return self._shown

    def show(self, what: str, value: object) -> None:
        self._shown[what] = value
        self._shown_changed = True

    def full_key(self, name: str) -> str:
        """A name of this run's that no other run has, nor another generation of this one."""
        generation = f"g{self._generation}/" if self._generation > 1 else ""
        return f"{self.run_id}/{generation}{name}"

    def chance(self) -> float:
        """From 0 to 1, for jitter."""
        return self._jitter.random()

    def _wait_for(self, task: SdkTask, what: str) -> Pending[Any]:
        pending: Pending[Any] = Pending(what)

        def settle(ended: SdkTask) -> None:
            pending.resolve(ended.get_result())

        self._scheduler.wait_for(task, settle)
        return pending

    def _check(self, operation: str) -> None:
        if self._closing:
            raise GeneratorExit
        if not self._usable:
            raise NotDurableError(
                f"`ctx.{operation}` was called outside of the durable function of run {self.run_id}: "
                "a step, a thread or a task cannot use the run's context"
            )

    def _count(self, name: str) -> int:
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name]

    def _claim(self, name: str) -> None:
        if name in self._keys:
            raise InvalidInputError(f"two steps of run {self.run_id} have the key {name!r}: each needs its own")
        self._keys.add(name)
