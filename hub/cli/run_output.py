"""A run and its history, as commands write them."""

import json
from typing import TYPE_CHECKING, Any

from hub.cli.output import clean, first_line

if TYPE_CHECKING:
    from hub.workflows import RunEvent, RunState
    from hub.workflows.failure import Failure


def state_to_json(state: "RunState") -> dict[str, Any]:
    return {
        "runId": state.run_id,
        "workflow": state.workflow,
        "status": state.status,
        "createdAt": state.created_at.isoformat(),
        "updatedAt": state.updated_at.isoformat(),
        "arguments": state.arguments,
        "result": state.result,
        "failure": failure_to_json(state.failure),
        "shown": dict(state.shown),
        "parentId": state.parent_id,
    }


def event_to_json(event: "RunEvent") -> dict[str, Any]:
    return {
        "number": event.number,
        "eventId": event.event_id,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "name": event.name,
        "key": event.key,
        "value": event.value,
        "failure": failure_to_json(event.failure),
    }


def failure_to_json(failure: "Failure | None") -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"type": failure.error_type, "code": failure.code, "message": failure.reason}


def state_to_text(state: "RunState") -> str:
    lines = [
        f"run       {state.run_id}",
        f"workflow  {state.workflow}",
        f"state     {state.status}",
        f"started   {state.created_at.astimezone().isoformat(' ', 'seconds')}",
        f"changed   {state.updated_at.astimezone().isoformat(' ', 'seconds')}",
    ]
    if state.parent_id is not None:
        lines.append(f"child of  {state.parent_id}")
    if state.shown:
        lines.append(f"says      {_short(dict(state.shown), 2_000)}")
    if state.arguments is not None:
        lines.append(f"given     {_short(state.arguments, 2_000)}")
    if state.failure is not None:
        lines.append(f"failure   {clean(f'{state.failure.error_type}: {state.failure.reason}')}")
    if state.status == "completed":
        lines.append(f"result    {_short(state.result, 2_000)}")
    return "\n".join(lines)


def event_to_text(event: "RunEvent") -> str:
    """One line: when, what, and in short with what."""
    words = [event.at.astimezone().strftime("%H:%M:%S.%f")[:-3], f"{event.event_id:>4}", event.kind]
    if event.key or event.name:
        words.append(clean(event.key or event.name or ""))
    if event.failure is not None:
        words.append(first_line(f"{event.failure.error_type}: {event.failure.reason}", 200))
    elif event.value is not None:
        words.append(_short(event.value, 200))
    return "  ".join(words)


def _short(value: object, limit: int) -> str:
    return first_line(json.dumps(value, ensure_ascii=False), limit)
