"""Transactions over the database, and what the rest of the sidecar must know once one is committed."""

import asyncio
import contextlib
import math
import sqlite3
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from .errors import DamagedStoreError
from .proto import history_pb, service_pb
from .schema import open_database
from .settings import SidecarSettings
from .writer import Settle, Writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a run as it is sent to a worker."""

    run: int
    run_id: str
    name: str
    execution_id: str
    history_count: int
    taken: tuple[int, ...]
    """The inbox rows that the turn consumes."""
    started: history_pb.HistoryEvent
    """The event that opens the turn."""
    new_events: tuple[bytes, ...]
    """What the inbox rows hold."""
    past_events: tuple[bytes, ...]
    """Committed events that the worker does not hold."""
    known_count: int
    """How many committed events the worker holds already."""
    propagated: bytes | None
    trace: bytes | None
    """The run's trace context."""

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.past_events)) + sum(map(len, self.new_events))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewActivity:
    """An activity that was just scheduled."""

    run: int
    seq: int
    item: service_pb.WorkItem


@dataclass(slots=True, eq=False)
class Transaction:
    """Changes that are committed together, with the news they make."""

    db: sqlite3.Connection
    now: float
    ready: list[int] = field(default_factory=list[int])
    """Runs that have something in their inbox."""
    activities: list[NewActivity] = field(default_factory=list[NewActivity])
    cancelled: list[int] = field(default_factory=list[int])
    """Runs whose waiting activities are gone."""
    next_due_at: float = math.inf
    """The earliest timer that was set."""
    changed: dict[str, int | None] = field(default_factory=dict[str, int | None])
    """Runs whose status changed, by id; None: the run is gone."""
    ended: list[int] = field(default_factory=list[int])
    """Runs for which work that is still out no longer counts."""
    topics: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Pub/sub and topic that have new events."""


class Store:
    """The database as the services see it."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._writer = Writer(db, path, begin=lambda db: Transaction(db, time.time()), committed=self._tell)
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Callable[[Transaction], None]] = []

    @property
    def damage(self) -> DamagedStoreError | None:
        return self._writer.damage

    def on_commit(self, listener: Callable[[Transaction], None]) -> None:
        """Have `listener` called after each commit, before those who changed something get their results."""
        self._listeners.append(listener)

    def expect(self, count: Callable[[], int]) -> None:
        """Have commits wait for more while `count` tells that several answers are on their way."""
        self._writer.count_on_their_way = count

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` finds in what is committed; see `Writer.read` for the errors."""
        return self._writer.read(work)

    def submit(self, work: Callable[[Transaction], T], settle: Settle[T]) -> None:
        """Run `work` in a transaction; see `Writer.submit` for `settle` and the errors."""
        self._writer.submit(work, settle)

    async def change(self, work: Callable[[Transaction], T], settle: Settle[T] | None = None) -> T:
        """Run `work` in a transaction and wait until it is on disk.

        Args:
            settle: called with the outcome, also if the caller was cancelled meanwhile.

        Raises:
            StoreFullError: there is no room; nothing of it was stored.
            DamagedStoreError: the file is broken.
            StoppingError: the store is closed.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._writer.submit(work, partial(_settle, future, settle))
        return await future

    def stop(self) -> None:
        """Commit what was given; nothing more is taken."""
        self._writer.stop()

    def _tell(self, tx: Transaction) -> None:
        for listener in self._listeners:
            listener(tx)


def _settle(future: asyncio.Future[T], settle: Settle[T] | None, result: T | None, error: BaseException | None) -> None:
    """Tell the one who waits for a change, and before that who wants to know even if nobody waits."""
    try:
        if settle is not None:
            settle(result, error)
    except Exception as defect:  # noqa: BLE001 - the caller gets it
        error = defect
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(cast("T", result))


@contextlib.contextmanager
def open_store(settings: SidecarSettings) -> Generator[Store]:
    """Open the database file for this process alone, in the running event loop.

    Raises:
        StoreError: the file cannot be used; see `schema.open_database`.
    """
    db = open_database(
        settings.db_path,
        survives_power_loss=settings.survives_power_loss,
        max_file_bytes=settings.max_file_bytes,
    )
    store = Store(db, settings.db_path)
    try:
        yield store
    finally:
        store.stop()
        with contextlib.suppress(sqlite3.Error):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
