"""Runs: created, read, ended, deleted."""

import contextlib
import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import PreconditionError
from .history import (
    COMPLETED,
    FINISHED,
    PENDING,
    TERMINATED,
    Event,
    Status,
    append_history,
    new_event,
    to_string_value,
    to_timestamp,
    turn_started,
)
from .inbox import FIRST, post
from .proto import history_pb, orchestration_pb, service_pb
from .store import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a run is started with."""

    run_id: str
    name: str
    input: str | None = None
    version: str | None = None
    scheduled_at: float | None = None
    parent: orchestration_pb.ParentInstanceInfo | None = None
    trace: orchestration_pb.TraceContext | None = None
    tags: tuple[tuple[str, str], ...] = ()
    propagated: bytes | None = None


def find_run(db: sqlite3.Connection, run_id: str) -> tuple[int, int] | None:
    """The run's number and status."""
    return db.execute("SELECT run, status FROM runs WHERE id = ?", (run_id,)).fetchone()


def build_start_event(new: NewRun, execution_id: str, app_id: str, now: float) -> Event:
    start = history_pb.ExecutionStartedEvent(
        name=new.name,
        input=to_string_value(new.input),
        version=to_string_value(new.version),
        workflowInstance=orchestration_pb.WorkflowInstance(
            instanceId=new.run_id, executionId=to_string_value(execution_id)
        ),
        parentInstance=new.parent,
        parentTraceContext=new.trace,
        tags=dict(new.tags),
        scheduledStartTimestamp=None if new.scheduled_at is None else to_timestamp(new.scheduled_at),
    )
    return Event(
        eventId=-1,
        timestamp=to_timestamp(now),
        executionStarted=start,
        router=orchestration_pb.TaskRouter(sourceAppID=app_id),
    )


def create_run(tx: Transaction, new: NewRun, app_id: str) -> bool:
    """Start a run; a finished one of the same id is replaced. False if one is alive under that id."""
    inserted = insert_run(tx, new, app_id)
    if inserted is None:
        return False
    due_at = new.scheduled_at if new.scheduled_at is not None and new.scheduled_at > tx.now else None
    post(tx, inserted.run, inserted.start, due_at=due_at, order_at=FIRST)
    return True


@dataclass(frozen=True, slots=True)
class InsertedRun:
    """A run that has a row and nothing in its inbox."""

    run: int
    execution_id: str
    start: Event


def insert_run(tx: Transaction, new: NewRun, app_id: str) -> InsertedRun | None:
    """Write a run's row; None if one is alive under its id."""
    existing = find_run(tx.db, new.run_id)
    if existing is not None:
        if existing[1] not in FINISHED:
            return None
        delete_run(tx, existing[0], new.run_id)
    execution_id = uuid.uuid4().hex
    start = build_start_event(new, execution_id, app_id, tx.now)
    cursor = tx.db.execute(
        "INSERT INTO runs (id, name, execution_id, status, created_at, updated_at, scheduled_at, start, trace, parent,"
        " parent_id, propagated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.run_id,
            new.name,
            execution_id,
            PENDING,
            tx.now,
            tx.now,
            new.scheduled_at,
            start.SerializeToString(),
            None if new.trace is None else new.trace.SerializeToString(),
            None if new.parent is None else new.parent.SerializeToString(),
            None if new.parent is None else new.parent.workflowInstance.instanceId,
            new.propagated,
        ),
    )
    return InsertedRun(cursor.lastrowid or 0, execution_id, start)


def end_run(
    tx: Transaction,
    run: int,
    run_id: str,
    status: Status,
    *,
    history_count: int,
    started_at: float | None,
    output: str | None,
    failure: orchestration_pb.TaskFailureDetails | None,
) -> None:
    """Mark a run finished, empty its inbox, and tell its parent.

    Args:
        started_at: when it started, if that is not known yet.
    """
    failure_blob = None if failure is None else failure.SerializeToString()
    ((parent_blob,),) = tx.db.execute(
        "UPDATE runs SET status = ?, history_count = ?, updated_at = ?, started_at = coalesce(started_at, ?),"
        " completed_at = ?, output = ?, failure = ? WHERE run = ? RETURNING parent",
        (status, history_count, tx.now, started_at, tx.now, output, failure_blob, run),
    ).fetchall()
    tx.db.execute("DELETE FROM inbox WHERE run = ?", (run,))
    tx.changed[run_id] = status
    tx.ended.append(run)
    if parent_blob is None:
        return
    parent = orchestration_pb.ParentInstanceInfo.FromString(parent_blob)
    tell_parent(tx, parent, status, output, failure)


def tell_parent(
    tx: Transaction,
    parent: orchestration_pb.ParentInstanceInfo,
    status: Status,
    output: str | None,
    failure: orchestration_pb.TaskFailureDetails | None,
) -> None:
    """Post a child's end to the parent, if that generation of it is still alive."""
    row = tx.db.execute(
        "SELECT run, status FROM runs WHERE id = ? AND execution_id = ?",
        (parent.workflowInstance.instanceId, parent.workflowInstance.executionId.value),
    ).fetchone()
    if row is None or row[1] in FINISHED:
        return
    event = new_event(tx.now)
    if status == COMPLETED:
        event.childWorkflowInstanceCompleted.taskScheduledId = parent.taskScheduledId
        if output is not None:
            event.childWorkflowInstanceCompleted.result.value = output
    else:
        event.childWorkflowInstanceFailed.taskScheduledId = parent.taskScheduledId
        event.childWorkflowInstanceFailed.failureDetails.CopyFrom(
            failure
            or orchestration_pb.TaskFailureDetails(errorType="Terminated", errorMessage="the child run was terminated")
        )
    post(tx, row[0], event)


def terminate_run(tx: Transaction, run_id: str, *, output: str | None, recurse: bool) -> None:
    """End a run at once, whatever its worker is doing; with `recurse` its living children too."""
    row = tx.db.execute("SELECT run, status, history_count FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None or row[1] in FINISHED:
        return
    run, _, history_count = row
    events = [turn_started(tx.now).SerializeToString()]
    if history_count == 0:
        (start,) = tx.db.execute("SELECT start FROM runs WHERE run = ?", (run,)).fetchone()
        events.append(start)
    result = to_string_value(output)
    terminated, completed = new_event(tx.now), new_event(tx.now)
    terminated.executionTerminated.CopyFrom(history_pb.ExecutionTerminatedEvent(input=result, recurse=recurse))
    completed.executionCompleted.CopyFrom(history_pb.ExecutionCompletedEvent(workflowStatus=TERMINATED, result=result))
    events += [terminated.SerializeToString(), completed.SerializeToString()]
    count = append_history(tx.db, run, history_count, events)
    tx.db.execute("DELETE FROM activities WHERE run = ?", (run,))
    tx.cancelled.append(run)
    end_run(tx, run, run_id, TERMINATED, history_count=count, started_at=None, output=output, failure=None)
    if recurse:
        for child_id in living_children(tx.db, run_id):
            terminate_run(tx, child_id, output=output, recurse=True)


def living_children(db: sqlite3.Connection, run_id: str) -> list[str]:
    rows = db.execute("SELECT id, status FROM runs WHERE parent_id = ?", (run_id,)).fetchall()
    return [child_id for child_id, status in rows if status not in FINISHED]


def delete_run(tx: Transaction, run: int, run_id: str) -> None:
    """Take away everything of a run."""
    tx.db.execute("DELETE FROM history WHERE run = ?", (run,))
    tx.db.execute("DELETE FROM inbox WHERE run = ?", (run,))
    tx.db.execute("DELETE FROM activities WHERE run = ?", (run,))
    tx.db.execute("DELETE FROM runs WHERE run = ?", (run,))
    tx.cancelled.append(run)
    tx.ended.append(run)
    tx.changed[run_id] = None


def purge_run(tx: Transaction, run_id: str, *, recursive: bool, force: bool) -> int:
    """Delete a finished run, with its children if asked; returns how many went.

    Raises:
        PreconditionError: it is still alive, and `force` is not set.
    """
    found = find_run(tx.db, run_id)
    if found is None:
        return 0
    run, status = found
    if status not in FINISHED and not force:
        raise PreconditionError(f"run '{run_id}' is not finished; terminate it first, or purge it by force")
    children = tx.db.execute("SELECT id FROM runs WHERE parent_id = ?", (run_id,)).fetchall() if recursive else []
    delete_run(tx, run, run_id)
    count = 1
    for (child_id,) in children:
        with contextlib.suppress(PreconditionError):  # a detached child that lives on keeps its record
            count += purge_run(tx, child_id, recursive=True, force=force)
    return count


def purge_runs(
    tx: Transaction, *, created_from: float, created_to: float, statuses: Iterable[int], recursive: bool, limit: int
) -> tuple[int, bool]:
    """Delete finished runs that were created in a span of time.

    Args:
        limit: how many are looked at; their children, with `recursive`, come on top.

    Returns:
        How many went, and whether there may be more.
    """
    wanted = sorted(FINISHED & set(statuses) if statuses else FINISHED)
    marks = ", ".join("?" * len(wanted))
    rows = tx.db.execute(
        f"SELECT id FROM runs WHERE created_at >= ? AND created_at <= ? AND status IN ({marks}) LIMIT ?",  # noqa: S608
        (created_from, created_to, *wanted, limit),
    ).fetchall()
    count = sum(purge_run(tx, run_id, recursive=recursive, force=False) for (run_id,) in rows)
    return count, len(rows) == limit


def purge_old_runs(tx: Transaction, completed_before: float, limit: int = 500) -> int:
    """Delete finished runs whose time is over; a child goes only once its parent is finished too."""
    rows = tx.db.execute(
        "SELECT r.id FROM runs r LEFT JOIN runs p ON p.id = r.parent_id"
        " WHERE r.completed_at < ? AND (p.run IS NULL OR p.completed_at IS NOT NULL) LIMIT ?",
        (completed_before, limit),
    ).fetchall()
    return sum(purge_run(tx, run_id, recursive=False, force=False) for (run_id,) in rows)


def list_run_ids(db: sqlite3.Connection, after: int, limit: int) -> tuple[list[str], int | None]:
    """Ids in the order of their start, and the number to go on after."""
    rows = db.execute("SELECT run, id FROM runs WHERE run > ? ORDER BY run LIMIT ?", (after, limit + 1)).fetchall()
    page = rows[:limit]
    return [run_id for _, run_id in page], page[-1][0] if len(rows) > limit else None


def read_state(db: sqlite3.Connection, run_id: str, *, payloads: bool) -> service_pb.GetInstanceResponse:
    """A run's state as clients see it."""
    row = db.execute(
        "SELECT name, execution_id, status, created_at, updated_at, started_at, completed_at, scheduled_at, start,"
        " parent_id, output, custom_status, failure FROM runs WHERE id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        return service_pb.GetInstanceResponse(exists=False)
    name, execution_id, status, created_at, updated_at, started_at, completed_at, scheduled_at = row[:8]
    start_blob, parent_id, output, custom_status, failure = row[8:]
    start = Event.FromString(start_blob).executionStarted
    state = orchestration_pb.WorkflowState(
        instanceId=run_id,
        name=name,
        workflowStatus=status,
        executionId=to_string_value(execution_id),
        createdTimestamp=to_timestamp(created_at),
        lastUpdatedTimestamp=to_timestamp(updated_at),
        startedAt=None if started_at is None else to_timestamp(started_at),
        completedTimestamp=None if completed_at is None else to_timestamp(completed_at),
        scheduledStartTimestamp=None if scheduled_at is None else to_timestamp(scheduled_at),
        parentInstanceId=to_string_value(parent_id),
        version=start.version if start.HasField("version") else None,
        tags=start.tags,
    )
    if payloads:
        if start.HasField("input"):
            state.input.CopyFrom(start.input)
        if output is not None:
            state.output.value = output
        if custom_status is not None:
            state.customStatus.value = custom_status
    if failure is not None:
        state.failureDetails.ParseFromString(failure)
    return service_pb.GetInstanceResponse(exists=True, workflowState=state)
