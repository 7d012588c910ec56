"""How a run is, and what has happened in it, as Dapr tells."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from hub.workflows.failure import Failure
from hub.workflows.mismatch import step_key
from hub.workflows.sdk import Timestamp, history_pb, orchestration_pb

Status = Literal["pending", "running", "paused", "stalled", "completed", "failed", "cancelled", "continued"]

_STATUSES: Mapping[int, Status] = {
    orchestration_pb.ORCHESTRATION_STATUS_RUNNING: "running",
    orchestration_pb.ORCHESTRATION_STATUS_COMPLETED: "completed",
    orchestration_pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW: "continued",
    orchestration_pb.ORCHESTRATION_STATUS_FAILED: "failed",
    orchestration_pb.ORCHESTRATION_STATUS_CANCELED: "cancelled",
    orchestration_pb.ORCHESTRATION_STATUS_TERMINATED: "cancelled",
    orchestration_pb.ORCHESTRATION_STATUS_PENDING: "pending",
    orchestration_pb.ORCHESTRATION_STATUS_SUSPENDED: "paused",
    orchestration_pb.ORCHESTRATION_STATUS_STALLED: "stalled",
}
FINISHED: frozenset[Status] = frozenset(("completed", "failed", "cancelled"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run at one moment."""

    run_id: str
    workflow: str
    status: Status
    created_at: datetime
    updated_at: datetime
    arguments: Mapping[str, Any] | None = None
    """What it was started with, where that was asked for."""
    result: Any = None
    failure: Failure | None = None
    shown: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the run says of itself: `status`, `progress`, and `asking`, the ids of its open questions."""
    parent_id: str | None = None

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def asking(self) -> Sequence[str]:
        """Ids of the questions that the run waits on."""
        return cast("Sequence[str]", self.shown.get("asking", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One entry of a run's history."""

    number: int
    """Its place, from 0."""
    event_id: int
    """Dapr's id of the action that it records, by which a run can be run again from there; -1 for other entries."""
    at: datetime
    kind: str
    """Dapr's name for it: `taskScheduled`, `taskCompleted`, `timerFired`, `eventRaised`, ..."""
    name: str | None = None
    """Of the step, child or event."""
    key: str | None = None
    """The step's idempotency key."""
    value: Any = None
    """Arguments, result or data, as JSON."""
    failure: Failure | None = None


def to_run_state(state: orchestration_pb.WorkflowState) -> RunState:
    """A run's state as Dapr sends it."""
    shown = _json(state.customStatus.value) if state.HasField("customStatus") else None
    failed = state.HasField("failureDetails") and state.failureDetails.errorType
    return RunState(
        run_id=state.instanceId,
        workflow=state.name,
        status=_STATUSES.get(state.workflowStatus, "running"),
        created_at=_time(state.createdTimestamp),
        updated_at=_time(state.lastUpdatedTimestamp),
        arguments=cast("Mapping[str, Any]", _json(state.input.value)) if state.HasField("input") else None,
        result=_json(state.output.value) if state.HasField("output") else None,
        failure=Failure.read(state.failureDetails.errorType, state.failureDetails.errorMessage) if failed else None,
        shown=cast("Mapping[str, Any]", shown) if isinstance(shown, dict) else {},
        parent_id=state.parentInstanceId.value if state.HasField("parentInstanceId") else None,
    )


def to_run_event(number: int, event: history_pb.HistoryEvent) -> RunEvent:
    """An entry of the history as Dapr sends it."""
    kind = str(event.WhichOneof("eventType"))
    body: Any = getattr(event, kind)
    given = _text(body, "input")
    details: Any = getattr(body, "failureDetails", None)
    value = _json(given) if given is not None else _json(_text(body, "result"))
    key = step_key(given) if kind == "taskScheduled" and given else None
    if key is not None:
        value = cast("dict[str, Any]", value).get("args")
    return RunEvent(
        number=number,
        event_id=event.eventId,
        at=_time(event.timestamp),
        kind=kind,
        name=getattr(body, "name", None) or None,
        key=key,
        value=value,
        failure=Failure.read(details.errorType, details.errorMessage) if details and details.errorType else None,
    )


def _text(body: Any, name: str) -> str | None:
    if name not in body.DESCRIPTOR.fields_by_name or not body.HasField(name):
        return None
    return str(getattr(body, name).value)


def _json(text: str | None) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:  # another program's text
        return text


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
