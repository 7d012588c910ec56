"""One connection, one thread: the event loop's. What comes together is committed together (group commit).

A thread of its own for the database costs more than it gives: each change would cross to it and back, and both threads
would fight for the interpreter. While a commit waits for the disk, what arrives meanwhile queues up in the sockets and
makes the next group.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from .errors import DamagedStoreError, StoppingError, StoreError
from .schema import to_store_error

T = TypeVar("T")
Tx = TypeVar("Tx")
Settle = Callable[[T | None, BaseException | None], None]
"""Gets the result, or the error."""

logger = logging.getLogger(__name__)

MAX_GROUP = 256
MAX_ROUNDS = 8
"""Rounds of the event loop that a group may go on growing in."""
BUSY_INTERVAL_S = 0.006
"""From one commit to the next at most, while more changes are on their way; one that comes alone never waits."""
BUSY_COUNT = 5
"""So many on their way are worth a wait (PostgreSQL's commit_delay and commit_siblings are the same idea)."""
MAX_UNPAUSED = 64
"""Commits that do not wait after several that waited in vain: what is on its way may take long."""


@dataclass(slots=True, eq=False)
class _Job(Generic[Tx]):
    work: Callable[[Tx], Any]
    settle: Settle[Any]
    result: Any = None
    error: BaseException | None = None


class _HalfDoneError(Exception):
    """A function failed after it had written something."""


class Writer(Generic[Tx]):
    """Runs functions over the one connection, in the order in which they were given.

    A function that changes something must only read and write the database: if its group fails, the group is rolled
    back and each of its functions runs again by itself.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        *,
        begin: Callable[[sqlite3.Connection], Tx],
        committed: Callable[[Tx], None],
    ) -> None:
        """Write for the running event loop.

        Args:
            begin: makes what the functions of a group share.
            committed: called with it once the group is on disk, before anybody is told.
        """
        self._db = db
        self._path = path
        self._begin = begin
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._jobs: list[_Job[Tx]] = []
        self._pause: asyncio.TimerHandle | None = None
        self._last_at = 0.0
        self._in_vain = 0
        """How many waits in a row brought nothing."""
        self._unpaused = 0
        """How many of the next commits do not wait."""
        self._stopped = False
        self.count_on_their_way: Callable[[], int] = lambda: 0
        """Tells how many answers are awaited that will change something."""
        self.damage: DamagedStoreError | None = None
        """Set once SQLite has found the file broken while it was in use."""

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` finds in what is committed.

        Raises:
            StoreError: the file cannot be read.
            StoppingError: the writer is closed.
        """
        self._check()
        try:
            return work(self._db)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def submit(self, work: Callable[[Tx], T], settle: Settle[T]) -> None:
        """Run a function that changes something.

        Args:
            settle: called once the changes are on disk, or with the error. `StoreFullError`: there is no room, nothing
                of it was stored. `DamagedStoreError`: the file is broken.

        Raises:
            StoppingError: the writer is closed.
        """
        self._check()
        self._jobs.append(_Job(work, settle))
        if len(self._jobs) > 1:
            if self._pause is not None and not self._is_worth_a_wait():
                self._pause.cancel()
                self._pause = None
                self._loop.call_soon(self._gather, 0, 0)
            return
        pause_s = self._last_at + BUSY_INTERVAL_S - self._loop.time()
        if pause_s > 0 and self._unpaused == 0 and self._is_worth_a_wait():
            self._pause = self._loop.call_later(pause_s, self._commit)
        else:
            self._loop.call_soon(self._gather, 0, 0)

    def stop(self) -> None:
        """Commit what was given; nothing more is taken."""
        self._stopped = True
        self._commit()

    def _check(self) -> None:
        if self._stopped:
            raise StoppingError("the sidecar is stopping")

    def _is_worth_a_wait(self) -> bool:
        """Whether many more are still on their way: whoever answers has not run out of work."""
        return self.count_on_their_way() - len(self._jobs) >= BUSY_COUNT

    def _gather(self, seen: int, rounds: int) -> None:
        """Wait for others to join, for as long as each round of the event loop brings some."""
        size = len(self._jobs)
        if seen < size < MAX_GROUP and rounds < MAX_ROUNDS:
            self._loop.call_soon(self._gather, size, rounds + 1)
        else:
            self._commit()

    def _commit(self) -> None:
        jobs, self._jobs = self._jobs, []
        if len(jobs) > 1:
            self._in_vain = self._unpaused = 0
        elif self._pause is not None:
            self._unpaused = min(2**self._in_vain, MAX_UNPAUSED)
            self._in_vain += 1
        elif self._unpaused:
            self._unpaused -= 1
        self._pause = None
        for first in range(0, len(jobs), MAX_GROUP):
            self._run(jobs[first : first + MAX_GROUP])
        self._last_at = self._loop.time()

    def _run(self, group: Sequence[_Job[Tx]]) -> None:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            transaction = self._begin(db)
            for job in group:
                changes = db.total_changes
                try:
                    job.result = job.work(transaction)
                except sqlite3.Error:
                    raise
                except Exception as error:
                    job.error = error
                    if db.total_changes != changes:
                        raise _HalfDoneError from error
            db.execute("COMMIT")
        except (sqlite3.Error, _HalfDoneError) as error:
            self._undo(group, error)
            return
        try:
            self._committed(transaction)
        except Exception as defect:  # noqa: BLE001 - handed to whoever gave the functions
            for job in group:
                job.error = defect
        for job in group:
            _settle(job)

    def _undo(self, group: Sequence[_Job[Tx]], error: sqlite3.Error | _HalfDoneError) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        if len(group) > 1:
            for job in group:
                job.result = job.error = None
                self._run([job])
            return
        if isinstance(error, sqlite3.Error):
            group[0].error = self._failure(error)
        _settle(group[0])

    def _failure(self, error: sqlite3.Error) -> StoreError:
        failure = to_store_error(error, self._path)
        failure.__cause__ = error
        if isinstance(failure, DamagedStoreError):
            self.damage = failure
        return failure


def _settle(job: _Job[Any]) -> None:
    try:
        job.settle(None if job.error is not None else job.result, job.error)
    except Exception:
        logger.exception("what follows a commit failed")
