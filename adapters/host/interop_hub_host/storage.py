"""What the host must keep, behind three calls: get, put, delete."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, cast

from .failures import HostError

Json = dict[str, Any]

KEPT_S = 30 * 24 * 3600
"""How long the host's own file keeps what nobody touched."""
BUSY_S = 30.0
_SQLITE_BUSY = 5


class Store(Protocol):
    """Text under keys. `put` writes all of its items or none."""

    async def get(self, key: str) -> str | None: ...

    async def put(self, items: Mapping[str, str]) -> None: ...

    async def delete(self, keys: Iterable[str]) -> None: ...


class MemoryStore:
    """Keeps everything as long as the process lives."""

    def __init__(self) -> None:
        self._items: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self._items.get(key)

    async def put(self, items: Mapping[str, str]) -> None:
        self._items.update(items)

    async def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._items.pop(key, None)


def _use_wal(database: sqlite3.Connection) -> None:
    """Two hosts that open a new file at once turn WAL on one after the other: SQLite itself does not wait for that."""
    gives_up_at = time.monotonic() + BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # Python 3.10 does not tell the code
            if getattr(error, "sqlite_errorcode", _SQLITE_BUSY) != _SQLITE_BUSY or time.monotonic() > gives_up_at:
                raise
            time.sleep(0.01)
        else:
            return


class SqliteStore:
    """Keeps everything in one file; a write is on the disk when `put` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # a thread of its own: flows that wait for a person may hold every thread of the loop's pool
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._database = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
        _use_wal(self._database)
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL, touched_at REAL NOT NULL)"
            " WITHOUT ROWID"
        )
        self._database.execute("DELETE FROM state WHERE touched_at < ?", (time.time() - KEPT_S,))
        path.chmod(0o600)

    async def get(self, key: str) -> str | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._get, key)

    async def put(self, items: Mapping[str, str]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._put, dict(items))

    async def delete(self, keys: Iterable[str]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._delete, list(keys))

    def _get(self, key: str) -> str | None:
        row = self._database.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _put(self, items: dict[str, str]) -> None:
        now = time.time()
        with self._transaction():
            self._database.executemany(
                "INSERT INTO state VALUES (?, ?, ?)"
                " ON CONFLICT(key) DO UPDATE SET value = excluded.value, touched_at = excluded.touched_at",
                [(key, value, now) for key, value in items.items()],
            )

    def _delete(self, keys: list[str]) -> None:
        with self._transaction():
            self._database.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in keys])

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


Request = Callable[[str, Json], Awaitable[Json]]


class PipeStore:
    """Keeps everything at the client, through requests on the pipe that carries the protocol.

    The client says in its capabilities that it offers `hub/state`, an extension, and fences the keys to this host.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    async def get(self, key: str) -> str | None:
        answer = await self._request("hub/state/get", {"keys": [key]})
        values = answer.get("values")
        if not isinstance(values, dict):
            raise HostError("unavailable", "the client's store answered with something else than values")
        value = cast("dict[str, Any]", values).get(key)
        return value if isinstance(value, str) else None

    async def put(self, items: Mapping[str, str]) -> None:
        await self._request("hub/state/put", {"items": dict(items)})

    async def delete(self, keys: Iterable[str]) -> None:
        await self._request("hub/state/delete", {"keys": list(keys)})


class PrefixStore:
    """A part of a store, fenced off by a prefix."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def get(self, key: str) -> str | None:
        return await self._store.get(self._prefix + key)

    async def put(self, items: Mapping[str, str]) -> None:
        await self._store.put({self._prefix + key: value for key, value in items.items()})

    async def delete(self, keys: Iterable[str]) -> None:
        await self._store.delete([self._prefix + key for key in keys])


class DeferredStore:
    """Holds writes back until somebody can come back for them.

    A call without a key can't be repeated: what it would store matters only once it has asked a question.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, str] | None = {}

    async def get(self, key: str) -> str | None:
        if self._held is not None:
            return self._held.get(key)
        return await self._store.get(key)

    async def put(self, items: Mapping[str, str]) -> None:
        if self._held is None:
            await self._store.put(items)
        else:
            self._held.update(items)

    async def delete(self, keys: Iterable[str]) -> None:
        if self._held is None:
            await self._store.delete(keys)
        else:
            for key in keys:
                self._held.pop(key, None)

    async def release(self) -> None:
        """Write what was held back; from now on every call goes through."""
        held, self._held = self._held, None
        if held:
            await self._store.put(held)
