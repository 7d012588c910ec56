"""What adapters' programs keep at the hub: text under keys, in one file of the configuration's state."""

import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

KEPT_S: Final = 30 * 24 * 3600
"""How long what nobody touched is kept."""
_BATCH: Final = 500

T = TypeVar("T")


class StateFile:
    """A `KeyStore`; a write is on the disk when `put` returns. The file is made at the first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = anyio.Lock()
        self._database: sqlite3.Connection | None = None

    async def get(self, keys: Sequence[str]) -> dict[str, str]:
        def read(database: sqlite3.Connection) -> dict[str, str]:
            found: dict[str, str] = {}
            for start in range(0, len(keys), _BATCH):
                batch = keys[start : start + _BATCH]
                marks = ",".join("?" * len(batch))
                rows = database.execute(f"SELECT key, value FROM state WHERE key IN ({marks})", batch)  # noqa: S608 - question marks alone
                found.update(rows.fetchall())
            return found

        return await self._in_turn(read)

    async def put(self, items: Mapping[str, str]) -> None:
        now = time.time()
        rows = [(key, value, now) for key, value in items.items()]

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executemany(
                    "INSERT INTO state VALUES (?, ?, ?) "
                    "ON CONFLICT(key) DO UPDATE SET value = excluded.value, touched_at = excluded.touched_at",
                    rows,
                )

        await self._in_turn(write)

    async def delete(self, keys: Sequence[str]) -> None:
        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in keys])

        await self._in_turn(write)

    async def _in_turn(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            if self._database is None:
                self._database = self._open()
            return work(self._database)

        async with self._turn:
            return await anyio.to_thread.run_sync(run)

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
        self._path.chmod(0o600)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        with database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL, touched_at REAL NOT NULL)"
                " WITHOUT ROWID"
            )
            database.execute("DELETE FROM state WHERE touched_at < ?", (time.time() - KEPT_S,))
        return database

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


@asynccontextmanager
async def open_state_file(path: Path) -> AsyncGenerator[StateFile]:
    """The file's store; the file itself is made when something is kept."""
    store = StateFile(path)
    try:
        yield store
    finally:
        store.close()
