"""Activities that wait for a worker or for their result."""

import sqlite3

from .history import Event, new_event
from .inbox import post
from .proto import service_pb
from .store import NewActivity, Transaction


def add_activity(
    tx: Transaction, run: int, run_id: str, execution_id: str, scheduled: Event, propagated: bytes | None
) -> None:
    cursor = tx.db.execute(
        "INSERT INTO activities (run, execution_id, event, propagated) VALUES (?, ?, ?, ?)",
        (run, execution_id, scheduled.SerializeToString(), propagated),
    )
    item = _to_item(run_id, execution_id, scheduled, propagated)
    tx.activities.append(NewActivity(run=run, seq=cursor.lastrowid or 0, item=item))


def waiting_activities(db: sqlite3.Connection) -> list[tuple[int, int]]:
    """Run and sequence number of each, the oldest first."""
    return db.execute("SELECT run, seq FROM activities ORDER BY seq").fetchall()


def read_activity(db: sqlite3.Connection, seq: int) -> service_pb.WorkItem | None:
    """What a worker gets, but for the completion token; None if the activity is no longer wanted."""
    row = db.execute(
        "SELECT r.id, a.execution_id, a.event, a.propagated FROM activities a"
        " JOIN runs r ON r.run = a.run WHERE a.seq = ?",
        (seq,),
    ).fetchone()
    if row is None:
        return None
    run_id, execution_id, blob, propagated = row
    return _to_item(run_id, execution_id, Event.FromString(blob), propagated)


def _to_item(run_id: str, execution_id: str, scheduled: Event, propagated: bytes | None) -> service_pb.WorkItem:
    task = scheduled.taskScheduled
    item = service_pb.WorkItem()
    request = item.activityRequest  # filled in place: a message that is put into another one is copied
    request.name = task.name
    request.taskId = scheduled.eventId
    request.taskExecutionId = task.taskExecutionId
    request.workflowInstance.instanceId = run_id
    request.workflowInstance.executionId.value = execution_id
    if task.HasField("input"):
        request.input.value = task.input.value
    if task.HasField("version"):
        request.version.CopyFrom(task.version)
    if task.HasField("parentTraceContext"):
        request.parentTraceContext.CopyFrom(task.parentTraceContext)
    if propagated is not None:
        request.propagatedHistory.ParseFromString(propagated)
    return item


def complete_activity(
    tx: Transaction, run: int, seq: int, asked: service_pb.ActivityRequest, answer: service_pb.ActivityResponse
) -> bool:
    """Take an activity's result into its run's inbox. False if nobody waits for it any more."""
    awaited = tx.db.execute(
        "DELETE FROM activities WHERE seq = ? AND execution_id ="
        " (SELECT execution_id FROM runs WHERE run = ? AND completed_at IS NULL)",
        (seq, run),
    ).rowcount
    if not awaited:  # its run, or that generation of it, is over
        tx.db.execute("DELETE FROM activities WHERE seq = ?", (seq,))
        return False
    result = new_event(tx.now)
    if answer.HasField("failureDetails"):
        failed = result.taskFailed
        failed.taskScheduledId = asked.taskId
        failed.taskExecutionId = asked.taskExecutionId
        failed.failureDetails.CopyFrom(answer.failureDetails)
    else:
        completed = result.taskCompleted
        completed.taskScheduledId = asked.taskId
        completed.taskExecutionId = asked.taskExecutionId
        if answer.HasField("result"):
            completed.result.value = answer.result.value
    post(tx, run, result)
    return True
