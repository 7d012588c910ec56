"""Transactions over the database, and what the rest of the sidecar must know once one is committed."""

import contextlib
import math
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from .errors import DamagedStoreError
from .schema import open_database
from .settings import SidecarSettings
from .writer import Writer, open_writer

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction in the writer's thread, with the news it makes."""

    db: sqlite3.Connection
    now: float
    ready: list[int] = field(default_factory=list[int])
    """Runs that have something in their inbox."""
    activities: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """New activities: run and sequence number."""
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

    @property
    def damage(self) -> DamagedStoreError | None:
        return self._writer.damage

    def on_commit(self, listener: Callable[[Transaction], None]) -> None:
        """Have `listener` called in the event loop after each commit, before the caller gets its result."""
        self._listeners.append(listener)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._writer.run(work, writes=False)

    async def change(
        self, work: Callable[[Transaction], T], settle: Callable[[T | None, BaseException | None], None] | None = None
    ) -> T:
        """Run `work` in a transaction; see `Writer.run` for `settle` and the errors."""

        def in_thread(db: sqlite3.Connection) -> tuple[Transaction, T]:
            tx = Transaction(db, time.time())
            return tx, work(tx)

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
