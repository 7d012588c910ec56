"""A new run that takes over a finished one's history up to an event, and goes on from there.

Source: the rerun operation of Dapr's workflow API; the rules are those that the SDK documents for
`rerun_workflow_from_event`.
"""

import uuid

from .activities import add_activity
from .errors import AlreadyExistsError, InvalidRequestError, NotFoundError
from .history import FINISHED, Event, append_history, from_timestamp, read_history, to_string_value, to_timestamp
from .inbox import FIRST, post
from .proto import orchestration_pb, service_pb
from .runs import NewRun, create_run, find_run, insert_run
from .store import Transaction
from .turns import set_timer

RERUNNABLE = ("taskScheduled", "timerCreated", "childWorkflowInstanceCreated")


def rerun_from_event(tx: Transaction, request: service_pb.RerunWorkflowFromEventRequest, app_id: str) -> str:
    """Start the new run and return its id.

    Raises:
        NotFoundError: there is no such run, or no event of that id from which one can go on.
        InvalidRequestError: the source is not finished or is a child; or the arguments do not fit the event.
        AlreadyExistsError: the new id is taken.
    """
    source_id = request.sourceInstanceID
    new_id = request.newInstanceID if request.HasField("newInstanceID") else uuid.uuid4().hex
    row = tx.db.execute("SELECT run, status, parent_id, name, start FROM runs WHERE id = ?", (source_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no run '{source_id}'")
    source, status, parent_id, name, start_blob = row
    if status not in FINISHED:
        raise InvalidRequestError(f"run '{source_id}' is not finished; only a finished run can be run again")
    if parent_id is not None:
        raise InvalidRequestError(f"run '{source_id}' is a child of '{parent_id}'; run its parent again")
    if find_run(tx.db, new_id) is not None:
        raise AlreadyExistsError(f"a run with the id '{new_id}' exists; give the new run an id of its own")

    kept, pending = _split(
        [Event.FromString(event) for event in read_history(tx.db, source)], request.eventID, source_id
    )
    start = Event.FromString(start_blob).executionStarted
    inserted = insert_run(
        tx,
        NewRun(
            run_id=new_id,
            name=name,
            input=start.input.value if start.HasField("input") else None,
            version=start.version.value if start.HasField("version") else None,
            trace=start.parentTraceContext if start.HasField("parentTraceContext") else None,
            tags=tuple(start.tags.items()),
        ),
        app_id,
    )
    if inserted is None:  # looked up above in this transaction
        raise AlreadyExistsError(f"a run with the id '{new_id}' exists")
    run, execution_id = inserted.run, inserted.execution_id
    history = [inserted.start if event.HasField("executionStarted") else event for event in kept]
    count = append_history(tx.db, run, 0, [event.SerializeToString() for event in history])
    tx.db.execute("UPDATE runs SET history_count = ?, status = 0, started_at = ? WHERE run = ?", (count, tx.now, run))
    for event in pending:
        if event.eventId == request.eventID:
            _overwrite(event, request)
        _start_again(tx, run, new_id, execution_id, name, event, request, app_id)
        post(tx, run, event, order_at=FIRST)
    return new_id


def _split(history: list[Event], event_id: int, source_id: str) -> tuple[list[Event], list[Event]]:
    """What stays as it is, and what was begun before the event but not ended, with the event itself."""
    target = next((index for index, event in enumerate(history) if event.eventId == event_id), None)
    if target is None:
        raise NotFoundError(f"run '{source_id}' does not have a history event with the id {event_id}")
    kind = history[target].WhichOneof("eventType")
    if kind not in RERUNNABLE:
        raise NotFoundError(f"event {event_id} of run '{source_id}' is a {kind}; a run cannot go on from there")
    before = history[:target]
    ended: set[int] = set()
    for event in before:
        match event.WhichOneof("eventType"):
            case "taskCompleted":
                ended.add(event.taskCompleted.taskScheduledId)
            case "taskFailed":
                ended.add(event.taskFailed.taskScheduledId)
            case "timerFired":
                ended.add(event.timerFired.timerId)
            case "childWorkflowInstanceCompleted":
                ended.add(event.childWorkflowInstanceCompleted.taskScheduledId)
            case "childWorkflowInstanceFailed":
                ended.add(event.childWorkflowInstanceFailed.taskScheduledId)
            case _:
                pass
    begun = [e for e in before if e.WhichOneof("eventType") in RERUNNABLE and e.eventId not in ended]
    kept = [e for e in before if e.WhichOneof("eventType") not in RERUNNABLE or e.eventId in ended]
    return kept, [*begun, history[target]]


def _overwrite(event: Event, request: service_pb.RerunWorkflowFromEventRequest) -> None:
    if event.HasField("timerCreated"):
        if request.overwriteInput:
            raise InvalidRequestError(f"event {event.eventId} is a timer, which takes no input")
    elif request.overwriteInput:
        target = event.taskScheduled if event.HasField("taskScheduled") else event.childWorkflowInstanceCreated
        target.ClearField("input")
        if request.HasField("input"):
            target.input.CopyFrom(request.input)
    if request.HasField("newChildWorkflowInstanceID") and not event.HasField("childWorkflowInstanceCreated"):
        raise InvalidRequestError(f"event {event.eventId} starts no child, so it takes no id for one")


def _start_again(
    tx: Transaction,
    run: int,
    run_id: str,
    execution_id: str,
    name: str,
    event: Event,
    request: service_pb.RerunWorkflowFromEventRequest,
    app_id: str,
) -> None:
    origin = orchestration_pb.RerunParentInstanceInfo(instanceID=request.sourceInstanceID)
    if event.HasField("taskScheduled"):
        event.taskScheduled.rerunParentInstanceInfo.CopyFrom(origin)
        add_activity(tx, run, run_id, execution_id, event, None)
    elif event.HasField("timerCreated"):
        event.timerCreated.rerunParentInstanceInfo.CopyFrom(origin)
        wait_s = from_timestamp(event.timerCreated.fireAt) - from_timestamp(event.timestamp)
        set_timer(tx, run, event.eventId, tx.now + max(0.0, wait_s))
    else:
        created = event.childWorkflowInstanceCreated
        created.rerunParentInstanceInfo.CopyFrom(origin)
        is_target = event.eventId == request.eventID and request.HasField("newChildWorkflowInstanceID")
        created.instanceId = request.newChildWorkflowInstanceID if is_target else f"{run_id}:{event.eventId:04x}"
        parent = orchestration_pb.ParentInstanceInfo(
            taskScheduledId=event.eventId,
            name=to_string_value(name),
            workflowInstance=orchestration_pb.WorkflowInstance(
                instanceId=run_id, executionId=to_string_value(execution_id)
            ),
            appID=app_id,
        )
        child = NewRun(
            run_id=created.instanceId,
            name=created.name,
            input=created.input.value if created.HasField("input") else None,
            parent=parent,
        )
        if not create_run(tx, child, app_id):
            raise AlreadyExistsError(f"a run with the id '{created.instanceId}' is alive; give the child another id")
    event.timestamp.CopyFrom(to_timestamp(tx.now))
