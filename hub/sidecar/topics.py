"""Events of topics, kept until a subscriber has taken them."""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from .cloudevents import CloudEvent
from .store import Transaction

Topic = tuple[str, str]
"""Pub/sub component and topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """An event that no subscriber has taken yet."""

    seq: int
    event: CloudEvent
    deliveries: int


def add_event(tx: Transaction, topic: Topic, event: CloudEvent, expires_at: float) -> None:
    tx.db.execute(
        "INSERT INTO events (pubsub, topic, attributes, data, expires_at) VALUES (?, ?, ?, ?, ?)",
        (*topic, json.dumps(event.attributes, ensure_ascii=False), event.data, expires_at),
    )
    tx.topics.add(topic)


def next_events(
    db: sqlite3.Connection, topic: Topic, now: float, limit: int, out: Collection[int]
) -> tuple[list[WaitingEvent], float | None]:
    """The oldest events that may be delivered now, and when the next one may be that is held back.

    Args:
        out: sequence numbers of events that are with a subscriber.
    """
    rows = db.execute(
        "SELECT seq, attributes, data, deliveries FROM events"
        " WHERE pubsub = ? AND topic = ? AND due_at <= ? AND expires_at > ? ORDER BY seq LIMIT ?",
        (*topic, now, now, limit + len(out)),
    ).fetchall()
    waiting = [
        WaitingEvent(
            seq=seq, event=CloudEvent(cast("dict[str, Any]", json.loads(attributes)), data), deliveries=deliveries
        )
        for seq, attributes, data, deliveries in rows
        if seq not in out
    ]
    (held_until,) = db.execute(
        "SELECT min(due_at) FROM events WHERE pubsub = ? AND topic = ? AND due_at > ?", (*topic, now)
    ).fetchone()
    return waiting[:limit], held_until


def remove_event(tx: Transaction, seq: int) -> None:
    tx.db.execute("DELETE FROM events WHERE seq = ?", (seq,))


def put_back_event(tx: Transaction, topic: Topic, seq: int, delay_s: float) -> None:
    """Count a delivery that failed and hold the event back for a while."""
    tx.db.execute("UPDATE events SET deliveries = deliveries + 1, due_at = ? WHERE seq = ?", (tx.now + delay_s, seq))
    tx.topics.add(topic)


def move_event(tx: Transaction, topic: Topic, seq: int, dead_letter_topic: str, expires_at: float) -> None:
    """Give an event up to another topic, as it is."""
    target = (topic[0], dead_letter_topic)
    tx.db.execute(
        "INSERT INTO events (pubsub, topic, attributes, data, expires_at)"
        " SELECT ?, ?, attributes, data, ? FROM events WHERE seq = ?",
        (*target, expires_at, seq),
    )
    remove_event(tx, seq)
    tx.topics.add(target)


def delete_expired_events(tx: Transaction) -> None:
    tx.db.execute("DELETE FROM events WHERE expires_at <= ?", (tx.now,))
