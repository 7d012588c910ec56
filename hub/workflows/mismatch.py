"""Says what a changed durable function does differently from its history."""

import json
from typing import Any, cast

from hub.workflows.errors import NonDeterminismError
from hub.workflows.sdk import actions_pb, history_pb, tell_apart

_ADVICE = (
    "The code changed while this run was under way, or decides by something that is not in its history: "
    "keep the old way for old runs with `ctx.patched(...)` or a named version"
)


def mismatch(event: history_pb.HistoryEvent, action: actions_pb.WorkflowAction | None) -> Exception | None:
    """The error if the code asks for something else at this place than the history holds."""
    before = _of_event(event)
    after = "nothing" if action is None else _of_action(action)
    if before == after:
        return None
    return NonDeterminismError(
        f"at place {event.eventId} the run's history has {before}, the code now asks for {after}. {_ADVICE}"
    )


def _of_event(event: history_pb.HistoryEvent) -> str:
    kind = tell_apart(event)
    if kind == "scheduleTask":
        return _step(event.taskScheduled.name, event.taskScheduled.input.value)
    if kind == "createChildWorkflow":
        return f"the child {event.childWorkflowInstanceCreated.name!r}"
    return "a timer"


def _of_action(action: actions_pb.WorkflowAction) -> str:
    kind = action.WhichOneof("workflowActionType")
    if kind == "scheduleTask":
        return _step(action.scheduleTask.name, action.scheduleTask.input.value)
    if kind == "createChildWorkflow":
        return f"the child {action.createChildWorkflow.name!r}"
    if kind == "createTimer":
        return "a timer"
    return "the end of the run"


def _step(name: str, given: str) -> str:
    key = step_key(given)
    place = "" if key is None else f" ({key.rpartition('/')[2]})"
    return f"the step {name!r}{place}"


def step_key(given: str) -> str | None:
    """The idempotency key in a step's input, or None: another program wrote it."""
    try:
        payload: Any = json.loads(given) if given else None
    except ValueError:
        return None
    if isinstance(payload, dict):
        key = cast("dict[str, Any]", payload).get("key")
        return key if isinstance(key, str) else None
    return None
