"""What waits for a run: events from outside, results, timers; and how a turn is made of it."""

import sqlite3

from .history import Event, read_history, turn_started
from .proto import service_pb
from .store import Transaction, Turn

FIRST = 0.0
"""Order of what must come before anything else: a start, and what goes with it."""

MAX_EVENTS_PER_TURN = 2000


def to_item(turn: Turn, token: str) -> service_pb.WorkItem:
    """The turn as a worker gets it."""
    item = service_pb.WorkItem(completionToken=token)
    request = item.workflowRequest  # filled in place: a message that is put into another one is copied
    request.instanceId = turn.run_id
    request.executionId.value = turn.execution_id
    for event in turn.past_events:
        request.pastEvents.add().MergeFromString(event)
    request.newEvents.add().CopyFrom(turn.started)
    for event in turn.new_events:
        request.newEvents.add().MergeFromString(event)
    if turn.known_count:
        request.cachedHistory.eventCount = turn.known_count
    if turn.propagated is not None:
        request.propagatedHistory.MergeFromString(turn.propagated)
    return item


def post(
    tx: Transaction,
    run: int,
    event: Event,
    *,
    external: bool = False,
    due_at: float | None = None,
    order_at: float | None = None,
) -> None:
    """Put an event into a run's inbox.

    Args:
        external: it belongs to the run, not to its present generation, so it outlives continue-as-new.
        due_at: when it becomes visible; at once if None.
        order_at: its place among the others; when it became visible if None.
    """
    if order_at is None:
        order_at = tx.now if due_at is None else due_at
    tx.db.execute(
        "INSERT INTO inbox (run, external, order_at, due_at, event) VALUES (?, ?, ?, ?, ?)",
        (run, external, order_at, due_at, event.SerializeToString()),
    )
    if due_at is None:
        tx.ready.append(run)
    else:
        tx.next_due_at = min(tx.next_due_at, due_at)


def release_due(tx: Transaction) -> None:
    """Make timers visible whose time has come, and tell when the next one is due."""
    rows = tx.db.execute("UPDATE inbox SET due_at = NULL WHERE due_at <= ? RETURNING run", (tx.now,)).fetchall()
    tx.ready.extend(run for (run,) in rows)
    (next_due_at,) = tx.db.execute("SELECT min(due_at) FROM inbox WHERE due_at IS NOT NULL").fetchone()
    if next_due_at is not None:
        tx.next_due_at = min(tx.next_due_at, next_due_at)


def runs_with_mail(db: sqlite3.Connection) -> list[int]:
    """All runs that have something visible, the longest waiting first."""
    rows = db.execute("SELECT run FROM inbox WHERE due_at IS NULL GROUP BY run ORDER BY min(order_at), run")
    return [run for (run,) in rows]


def take_turn(db: sqlite3.Connection, run: int, now: float, known_count: int = 0) -> Turn | None:
    """Read what a run's next turn consists of; None if there is nothing to do.

    Args:
        known_count: how many events of its history the worker holds; ignored if the run has fewer.
    """
    mail = db.execute(
        "SELECT seq, event, id, name, execution_id, history_count, trace, propagated IS NOT NULL"
        " FROM runs JOIN inbox USING (run) WHERE run = ? AND completed_at IS NULL AND due_at IS NULL"
        " ORDER BY order_at, seq LIMIT ?",
        (run, MAX_EVENTS_PER_TURN),
    ).fetchall()
    if not mail:
        return None
    _, first, run_id, name, execution_id, history_count, trace, has_propagated = mail[0]
    if history_count == 0 and not Event.FromString(first).HasField("executionStarted"):
        return None  # a start that is scheduled for later
    if known_count > history_count:
        known_count = 0
    propagated: bytes | None = None
    if has_propagated:
        (propagated,) = db.execute("SELECT propagated FROM runs WHERE run = ?", (run,)).fetchone()
    return Turn(
        run=run,
        run_id=run_id,
        name=name,
        execution_id=execution_id,
        history_count=history_count,
        taken=tuple(row[0] for row in mail),
        started=turn_started(now),
        new_events=tuple(row[1] for row in mail),
        past_events=tuple(read_history(db, run, known_count)) if known_count < history_count else (),
        known_count=known_count,
        propagated=propagated,
        trace=trace,
    )
