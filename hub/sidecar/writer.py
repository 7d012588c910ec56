"""One thread owns the database; what waits together is committed together (group commit)."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from .errors import DamagedStoreError, StoppingError
from .schema import to_store_error

T = TypeVar("T")

MAX_BATCH = 256


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    future: "asyncio.Future[Any]"
    settle: Callable[[Any, BaseException | None], None] | None
    writes: bool
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs functions over the one connection, in the order in which they were given.

    A function must only read and write the database: if a batch fails it is rolled back and each of its functions
    runs again by itself.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._db = db
        self._path = path
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stopped = False
        self.damage: DamagedStoreError | None = None
        """Set once SQLite has found the file broken while it was in use."""

    async def run(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        writes: bool,
        settle: Callable[[T | None, BaseException | None], None] | None = None,
    ) -> T:
        """Run one function; its writes are on disk when this returns.

        Args:
            settle: called in the event loop with the outcome, also if the caller was cancelled meanwhile.

        Raises:
            StoreFullError: there is no room; nothing of it was stored.
            DamagedStoreError: the file is broken.
            StoppingError: the writer is closed.
        """
        if self._stopped:
            raise StoppingError("the sidecar is stopping")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, future, settle, writes))
        return await future

    def stop(self) -> None:
        self._stopped = True
        self._jobs.put(None)

    def work(self) -> None:
        """The thread's body: batches until `stop`."""
        while (job := self._jobs.get()) is not None:
            batch = [job]
            last = False
            while len(batch) < MAX_BATCH:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._run_batch(batch)
            self._loop.call_soon_threadsafe(_deliver, batch)
            if last:
                return

    def _run_batch(self, batch: list[_Job]) -> None:
        writes = any(job.writes for job in batch)
        try:
            if writes:
                self._db.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._run_job(job, savepoint=len(batch) > 1)
            if writes:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if len(batch) > 1:
                for job in batch:
                    job.result = job.error = None
                    self._run_batch([job])
                return
            failure = to_store_error(error, self._path)
            failure.__cause__ = error
            if isinstance(failure, DamagedStoreError):
                self.damage = failure
            batch[0].error = failure

    def _run_job(self, job: _Job, *, savepoint: bool) -> None:
        if savepoint and job.writes:
            self._db.execute("SAVEPOINT job")
        try:
            job.result = job.work(self._db)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - handed to the caller, who awaits it
            job.error = error
            if job.writes:
                self._db.execute("ROLLBACK TO job" if savepoint else "ROLLBACK")
                if not savepoint:
                    self._db.execute("BEGIN IMMEDIATE")
        if savepoint and job.writes:
            self._db.execute("RELEASE job")

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _deliver(batch: list[_Job]) -> None:
    for job in batch:
        try:
            if job.settle is not None:
                job.settle(job.result, job.error)
        except Exception as error:  # noqa: BLE001 - a defect of ours, which its caller gets; the others go on
            job.error = error
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


@contextlib.asynccontextmanager
async def open_writer(db: sqlite3.Connection, path: Path) -> AsyncGenerator[Writer]:
    """Start the thread; on the way out it finishes what it was given, then the connection is closed."""
    loop = asyncio.get_running_loop()
    writer = Writer(db, path, loop)
    thread = threading.Thread(target=writer.work, name="sidecar-writer", daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        writer.stop()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(thread.join)
        with contextlib.suppress(sqlite3.Error):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
