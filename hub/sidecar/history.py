"""History events: how they are made and read back."""

import sqlite3
from collections.abc import Iterable

from .proto import StringValue, Timestamp, history_pb, orchestration_pb

Event = history_pb.HistoryEvent

RUNNING = orchestration_pb.ORCHESTRATION_STATUS_RUNNING
COMPLETED = orchestration_pb.ORCHESTRATION_STATUS_COMPLETED
CONTINUED_AS_NEW = orchestration_pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
FAILED = orchestration_pb.ORCHESTRATION_STATUS_FAILED
CANCELED = orchestration_pb.ORCHESTRATION_STATUS_CANCELED
TERMINATED = orchestration_pb.ORCHESTRATION_STATUS_TERMINATED
PENDING = orchestration_pb.ORCHESTRATION_STATUS_PENDING
SUSPENDED = orchestration_pb.ORCHESTRATION_STATUS_SUSPENDED
STALLED = orchestration_pb.ORCHESTRATION_STATUS_STALLED
Status = orchestration_pb.OrchestrationStatus.ValueType

FINISHED: frozenset[int] = frozenset({COMPLETED, FAILED, CANCELED, TERMINATED})

END_OF_TIME_S = 250_000_000_000.0
"""Timers beyond this (the year 9892) stand for "no limit": they are kept in the history and never fire."""


def to_timestamp(instant_s: float) -> Timestamp:
    seconds = int(instant_s // 1)
    return Timestamp(seconds=seconds, nanos=int((instant_s - seconds) * 1e9))


def new_event(now: float, event_id: int = -1) -> Event:
    """An event without a body; those that tell an end or come from outside have no id of their own."""
    event = Event(eventId=event_id)
    stamp(event, now)
    return event


def stamp(event: Event, now: float) -> None:
    """Set when the event happened."""
    seconds = int(now // 1)
    event.timestamp.seconds = seconds
    event.timestamp.nanos = int((now - seconds) * 1e9)


def from_timestamp(timestamp: Timestamp) -> float:
    return timestamp.seconds + timestamp.nanos / 1e9


def to_string_value(text: str | None) -> StringValue | None:
    return None if text is None else StringValue(value=text)


def turn_started(now: float) -> Event:
    """The event that opens each turn and carries its clock."""
    event = new_event(now)
    event.workflowStarted.SetInParent()
    return event


def read_history(db: sqlite3.Connection, run: int, first: int = 0) -> list[bytes]:
    """The committed events from position `first` on, as they were stored."""
    rows = db.execute("SELECT event FROM history WHERE run = ? AND position >= ? ORDER BY position", (run, first))
    return [event for (event,) in rows]


def append_history(db: sqlite3.Connection, run: int, first: int, events: Iterable[bytes]) -> int:
    """Store serialized events from position `first` on; returns the new length."""
    rows = [(run, position, event) for position, event in enumerate(events, start=first)]
    db.executemany("INSERT INTO history (run, position, event) VALUES (?, ?, ?)", rows)
    return first + len(rows)
