"""Activities that wait for a worker or for their result."""

import sqlite3

from .history import FINISHED, Event, to_string_value, to_timestamp
from .inbox import post
from .proto import history_pb, orchestration_pb, service_pb
from .store import NewActivity, Transaction


def add_activity(
    tx: Transaction, run: int, run_id: str, execution_id: str, scheduled: Event, propagated: bytes | None
) -> None:
    cursor = tx.db.execute(
        "INSERT INTO activities (run, execution_id, event, propagated) VALUES (?, ?, ?, ?)",
        (run, execution_id, scheduled.SerializeToString(), propagated),
    )
    request = _to_request(run_id, execution_id, scheduled, propagated)
    tx.activities.append(NewActivity(run=run, seq=cursor.lastrowid or 0, request=request))


def waiting_activities(db: sqlite3.Connection) -> list[tuple[int, int]]:
    """Run and sequence number of each, the oldest first."""
    return db.execute("SELECT run, seq FROM activities ORDER BY seq").fetchall()


def build_activity_request(db: sqlite3.Connection, seq: int) -> service_pb.ActivityRequest | None:
    """What a worker gets; None if the activity is no longer wanted."""
    row = db.execute(
        "SELECT r.id, a.execution_id, a.event, a.propagated FROM activities a"
        " JOIN runs r ON r.run = a.run WHERE a.seq = ?",
        (seq,),
    ).fetchone()
    if row is None:
        return None
    run_id, execution_id, blob, propagated = row
    return _to_request(run_id, execution_id, Event.FromString(blob), propagated)


def _to_request(
    run_id: str, execution_id: str, scheduled: Event, propagated: bytes | None
) -> service_pb.ActivityRequest:
    task = scheduled.taskScheduled
    return service_pb.ActivityRequest(
        name=task.name,
        version=task.version if task.HasField("version") else None,
        input=task.input if task.HasField("input") else None,
        workflowInstance=orchestration_pb.WorkflowInstance(
            instanceId=run_id, executionId=to_string_value(execution_id)
        ),
        taskId=scheduled.eventId,
        taskExecutionId=task.taskExecutionId,
        parentTraceContext=task.parentTraceContext if task.HasField("parentTraceContext") else None,
        propagatedHistory=None if propagated is None else history_pb.PropagatedHistory.FromString(propagated),
    )


def complete_activity(tx: Transaction, seq: int, answer: service_pb.ActivityResponse) -> bool:
    """Take an activity's result into its run's inbox. False if nobody waits for it any more."""
    row = tx.db.execute(
        "SELECT a.run, a.event, r.status, r.execution_id = a.execution_id FROM activities a"
        " JOIN runs r ON r.run = a.run WHERE a.seq = ?",
        (seq,),
    ).fetchone()
    tx.db.execute("DELETE FROM activities WHERE seq = ?", (seq,))
    if row is None or row[2] in FINISHED or not row[3]:
        return False
    scheduled = Event.FromString(row[1])
    result = Event(eventId=-1, timestamp=to_timestamp(tx.now))
    if answer.HasField("failureDetails"):
        failed = result.taskFailed
        failed.taskScheduledId = scheduled.eventId
        failed.taskExecutionId = scheduled.taskScheduled.taskExecutionId
        failed.failureDetails.CopyFrom(answer.failureDetails)
    else:
        completed = result.taskCompleted
        completed.taskScheduledId = scheduled.eventId
        completed.taskExecutionId = scheduled.taskScheduled.taskExecutionId
        if answer.HasField("result"):
            completed.result.CopyFrom(answer.result)
    post(tx, row[0], result)
    return True
