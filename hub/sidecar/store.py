"""Transactions over the database, and what the rest of the sidecar must know once one is committed."""

import contextlib
import math
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from .errors import DamagedStoreError
from .proto import history_pb, service_pb
from .schema import open_database
from .settings import SidecarSettings
from .writer import Writer, open_writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a run as it is sent to a worker."""

    run: int
    run_id: str
    execution_id: str
    history_count: int
    taken: tuple[int, ...]
    """The inbox rows that the turn consumes."""
    new_events: tuple[history_pb.HistoryEvent, ...]
    past_events: tuple[bytes, ...]
    """Committed events that the worker does not hold."""
    known_count: int
    """How many committed events the worker holds already."""
    propagated: bytes | None

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.past_events)) + sum(event.ByteSize() for event in self.new_events)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewActivity:
    """An activity that was just scheduled."""

    run: int
    seq: int
    request: service_pb.ActivityRequest


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction in the writer's thread, with the news it makes."""

    db: sqlite3.Connection
    now: float
    ready: list[int] = field(default_factory=list[int])
    """Runs that have something in their inbox."""
    activities: list[NewActivity] = field(default_factory=list[NewActivity])
    turns: dict[int, Turn] = field(default_factory=dict[int, Turn])
    """Turns that were put together in passing, since their run was ready."""
    cancelled: list[int] = field(default_factory=list[int])
    """Runs whose waiting activities are gone."""
    next_due_at: float = math.inf
    """The earliest timer that was set."""
    changed: set[str] = field(default_factory=set[str])
    """Ids of runs whose status changed or that are gone."""
    ended: list[int] = field(default_factory=list[int])
    """Runs for which work that is still out no longer counts."""
    topics: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Pub/sub and topic that have new events."""


class Store:
    """The database as the event loop sees it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._listeners: list[Callable[[Transaction], None]] = []
        self._preparers: list[Callable[[Transaction], None]] = []

    @property
    def damage(self) -> DamagedStoreError | None:
        return self._writer.damage

    def on_commit(self, listener: Callable[[Transaction], None]) -> None:
        """Have `listener` called in the event loop after each commit, before the caller gets its result."""
        self._listeners.append(listener)

    def before_commit(self, preparer: Callable[[Transaction], None]) -> None:
        """Have `preparer` called in the writer's thread at the end of each transaction."""
        self._preparers.append(preparer)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._writer.run(work, writes=False)

    async def change(
        self, work: Callable[[Transaction], T], settle: Callable[[T | None, BaseException | None], None] | None = None
    ) -> T:
        """Run `work` in a transaction; see `Writer.run` for `settle` and the errors."""

        def in_thread(db: sqlite3.Connection) -> tuple[Transaction, T]:
            tx = Transaction(db, time.time())
            result = work(tx)
            for prepare in self._preparers:
                prepare(tx)
            return tx, result

        def settled(outcome: tuple[Transaction, T] | None, error: BaseException | None) -> None:
            if outcome is not None and error is None:
                for listener in self._listeners:
                    listener(outcome[0])
            if settle is not None:
                settle(outcome[1] if outcome is not None else None, error)

        return (await self._writer.run(in_thread, writes=True, settle=settled))[1]


@contextlib.asynccontextmanager
async def open_store(settings: SidecarSettings) -> AsyncGenerator[Store]:
    """Open the database file for this process alone.

    Raises:
        StoreError: the file cannot be used; see `schema.open_database`.
    """
    db = open_database(
        settings.db_path,
        survives_power_loss=settings.survives_power_loss,
        max_file_bytes=settings.max_file_bytes,
    )
    async with open_writer(db, settings.db_path) as writer:
        yield Store(writer)
