"""Everything that the workflows use of the Dapr SDK's private package, gathered in one place.

The replay of a history, the messages on the wire and the tasks that a durable function waits for live in
`dapr.ext.workflow._durabletask`; nothing else in this package may import it. `tests/durable/test_sdk_contract.py`
watches what is used here, so that an SDK that moves or changes it fails a test and not a run.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from dapr.ext.workflow._durabletask import task as sdk_task
from dapr.ext.workflow._durabletask import worker as sdk_worker
from dapr.ext.workflow._durabletask.internal import helpers as sdk_helpers
from dapr.ext.workflow._durabletask.internal import history_events_pb2 as history_pb
from dapr.ext.workflow._durabletask.internal import orchestration_pb2 as orchestration_pb
from dapr.ext.workflow._durabletask.internal import orchestrator_actions_pb2 as actions_pb
from dapr.ext.workflow._durabletask.internal import orchestrator_service_pb2 as service_pb
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from hub.workflows.address import WORKFLOW_SERVICE

__all__ = [
    "WORKFLOW_SERVICE",
    "Empty",
    "Inbox",
    "ReplayExecutor",
    "SdkRegistry",
    "SdkTask",
    "StringValue",
    "TaskFailedError",
    "Timestamp",
    "TurnContext",
    "TurnResult",
    "actions_pb",
    "history_pb",
    "new_registry",
    "orchestration_pb",
    "replay_turn",
    "service_pb",
    "tell_apart",
]

TaskFailedError = sdk_task.TaskFailedError
"""What a task ends with whose step, timer or child failed."""


class SdkTask(Protocol):
    """A step, timer, event or child that the SDK waits for."""

    @property
    def is_complete(self) -> bool: ...

    def get_result(self) -> Any: ...


class TurnContext(Protocol):
    """What a durable function is driven on: the SDK's own context, or the public wrapper that passes these on."""

    @property
    def instance_id(self) -> str: ...

    @property
    def current_utc_datetime(self) -> datetime: ...

    @property
    def is_replaying(self) -> bool: ...

    def set_custom_status(self, custom_status: str) -> None: ...

    def create_timer(self, fire_at: datetime | timedelta) -> SdkTask: ...

    def call_activity(self, activity: str, *, input: Any = None) -> SdkTask: ...

    def call_sub_orchestrator(
        self, orchestrator: str, *, input: Any = None, instance_id: str | None = None, app_id: str | None = None
    ) -> SdkTask: ...

    def wait_for_external_event(self, name: str) -> SdkTask: ...

    def continue_as_new(self, new_input: Any, *, save_events: bool = False) -> None: ...

    def is_patched(self, patch_name: str) -> bool: ...


class SdkRegistry(Protocol):
    """The SDK's table of workflows by name and version."""

    def add_named_orchestrator(
        self, name: str, fn: Any, version_name: str | None = None, is_latest: bool = False
    ) -> None: ...


class TurnResult(Protocol):
    """What one turn of a run comes to."""

    @property
    def actions(self) -> list[actions_pb.WorkflowAction]: ...

    @property
    def encoded_custom_status(self) -> str | None: ...

    @property
    def version_name(self) -> str | None: ...

    @property
    def patches(self) -> list[str] | None: ...


class _Executor(Protocol):
    def execute(
        self,
        instance_id: str,
        old_events: Sequence[history_pb.HistoryEvent],
        new_events: Sequence[history_pb.HistoryEvent],
    ) -> TurnResult: ...

    def process_event(self, ctx: Any, event: history_pb.HistoryEvent) -> None: ...


class Inbox(sdk_task.CompositeTask[Any]):
    """What a durable function yields: done whenever one of the tasks that it holds is done, again and again.

    The SDK's own `when_any` is built anew for each wait and adopts every open task each time, which makes the replay
    of a wide fan-out quadratic; this one adopts a task once.
    """

    def __init__(self) -> None:
        self._arrived: list[SdkTask] = []
        super().__init__(cast("list[sdk_task.Task[Any]]", []))  # pyright: ignore[reportUnknownMemberType] - untyped

    def adopt(self, task: SdkTask) -> None:
        """Hear of this task's end."""
        inner = cast("sdk_task.Task[Any]", task)
        inner._parent = self  # pyright: ignore[reportPrivateUsage] - the one seam for being told
        if inner.is_complete:
            self.on_child_completed(inner)

    def on_child_completed(self, task: sdk_task.Task[Any]) -> None:
        self._arrived.append(task)
        self._result = None
        self._is_complete = True

    def take(self) -> list[SdkTask]:
        """The tasks that ended since the last look, in the order of the history; the inbox is open again."""
        arrived, self._arrived = self._arrived, []
        self._is_complete = False
        return arrived


def new_registry() -> SdkRegistry:
    """An empty table of workflows."""
    return cast("SdkRegistry", cast("Any", sdk_worker)._Registry())


ReplayExecutor: type[Any] = cast("Any", sdk_worker)._OrchestrationExecutor
"""The SDK's replay of a history into a workflow, one object a turn."""

_SCHEDULED = {
    "taskScheduled": "scheduleTask",
    "timerCreated": "createTimer",
    "childWorkflowInstanceCreated": "createChildWorkflow",
}

Mismatch = Callable[[history_pb.HistoryEvent, "actions_pb.WorkflowAction | None"], Exception | None]
"""Given what the history holds and what the code asks for at the same place: the error to end the run with, if any."""


def tell_apart(event: history_pb.HistoryEvent) -> str | None:
    """The kind of action that this event of the history confirms, or None: it confirms none."""
    return _SCHEDULED.get(str(event.WhichOneof("eventType")))


class _Checked(ReplayExecutor):
    """The SDK's executor, with a look at each confirmed action before the SDK's own."""

    def __init__(self, registry: SdkRegistry, logger: logging.Logger, mismatch: Mismatch) -> None:
        super().__init__(registry, logger)  # pyright: ignore[reportUnknownMemberType] - untyped
        self._mismatch_of = mismatch
        self.mismatch: Exception | None = None

    def process_event(self, ctx: Any, event: history_pb.HistoryEvent) -> None:
        wanted = tell_apart(event)
        if wanted is not None and self.mismatch is None:
            pending = cast("dict[int, actions_pb.WorkflowAction]", ctx._pending_actions)
            action = pending.get(event.eventId)
            if not _is_optional(action) and not _is_optional_event(event):
                self.mismatch = self._mismatch_of(event, action)
                if self.mismatch is not None:
                    raise self.mismatch
        super().process_event(ctx, event)  # pyright: ignore[reportUnknownMemberType] - untyped


def _is_optional(action: actions_pb.WorkflowAction | None) -> bool:
    """The timer without an end that the SDK sets beside a wait for an event; old histories lack it."""
    return action is not None and bool(cast("Any", sdk_helpers).is_optional_timer_action(action))


def _is_optional_event(event: history_pb.HistoryEvent) -> bool:
    return bool(cast("Any", sdk_helpers).is_optional_timer_event(event))


def replay_turn(
    registry: SdkRegistry,
    logger: logging.Logger,
    instance_id: str,
    old_events: Sequence[history_pb.HistoryEvent],
    new_events: Sequence[history_pb.HistoryEvent],
    mismatch: Mismatch,
) -> tuple[TurnResult, Exception | None]:
    """Run one turn: replay the history, then take in what is new.

    Returns:
        What the turn comes to, and the error if the code no longer fits the history; then the result means nothing.
    """
    executor = _Checked(registry, logger, mismatch)
    result = cast("_Executor", executor).execute(instance_id, old_events, new_events)
    return result, executor.mismatch
