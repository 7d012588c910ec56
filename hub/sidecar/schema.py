"""The database file: how it is opened, checked and brought to the newest schema."""

import os
import sqlite3
from pathlib import Path

from .errors import DamagedStoreError, ForeignStoreError, NewerStoreError, StoreError, StoreFullError, StoreInUseError

APPLICATION_ID = 0x48554253
"""Stands in the file's header, so that no other program's database is taken for ours."""

RUNS = """
CREATE TABLE runs (
  run INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  status INTEGER NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  started_at REAL,
  completed_at REAL,
  scheduled_at REAL,
  history_count INTEGER NOT NULL DEFAULT 0,
  start BLOB NOT NULL,
  trace BLOB,
  parent BLOB,
  parent_id TEXT,
  output TEXT,
  custom_status TEXT,
  failure BLOB,
  propagated BLOB
);
CREATE INDEX runs_by_parent ON runs (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX runs_by_completion ON runs (completed_at) WHERE completed_at IS NOT NULL;
CREATE TABLE history (
  run INTEGER NOT NULL,
  position INTEGER NOT NULL,
  event BLOB NOT NULL,
  PRIMARY KEY (run, position)
) WITHOUT ROWID;
CREATE TABLE inbox (
  seq INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  external INTEGER NOT NULL,
  order_at REAL NOT NULL,
  due_at REAL,
  event BLOB NOT NULL
);
CREATE INDEX inbox_by_run ON inbox (run, order_at, seq);
CREATE INDEX inbox_by_due ON inbox (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE activities (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  execution_id TEXT NOT NULL,
  event BLOB NOT NULL,
  propagated BLOB
);
CREATE INDEX activities_by_run ON activities (run);
"""

STATE_AND_TOPICS = """
CREATE TABLE state (
  store TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  etag TEXT NOT NULL,
  expires_at REAL,
  PRIMARY KEY (store, key)
);
CREATE INDEX state_by_expiry ON state (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  pubsub TEXT NOT NULL,
  topic TEXT NOT NULL,
  attributes TEXT NOT NULL,
  data BLOB NOT NULL,
  deliveries INTEGER NOT NULL DEFAULT 0,
  due_at REAL NOT NULL DEFAULT 0,
  expires_at REAL NOT NULL
);
CREATE INDEX events_by_topic ON events (pubsub, topic, seq);
CREATE INDEX events_by_expiry ON events (expires_at);
"""

MIGRATIONS: tuple[str, ...] = (RUNS, STATE_AND_TOPICS)
"""Step n brings a file from schema n to n + 1. A step that was released is never changed."""


def open_database(
    path: Path, *, survives_power_loss: bool = True, max_file_bytes: int | None = None
) -> sqlite3.Connection:
    """Open the file, made if it is not there, with the newest schema and for this process alone.

    Raises:
        DamagedStoreError: the content is broken.
        ForeignStoreError: the file is another program's.
        NewerStoreError: a newer release wrote it.
        StoreInUseError: another sidecar has it.
        StoreFullError: the disk has no room for it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be opened for writing ({error.strerror}); give a file in a writable folder"
        ) from error
    is_new = path.stat().st_size == 0
    write_ahead_log = path.with_name(path.name + "-wal")
    if is_new and write_ahead_log.exists() and write_ahead_log.stat().st_size:
        raise _damaged(path, f"it is empty, but {write_ahead_log.name} beside it is not")
    db = sqlite3.connect(path, timeout=0.5, isolation_level=None, cached_statements=256)
    try:
        _prepare(db, path, is_new=is_new, survives_power_loss=survives_power_loss)
        if max_file_bytes is not None:
            (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
            db.execute(f"PRAGMA max_page_count = {max(1, max_file_bytes // int(page_bytes))}")
    except sqlite3.Error as error:
        db.close()
        raise to_store_error(error, path) from error
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, *, is_new: bool, survives_power_loss: bool) -> None:
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    if is_new:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    else:
        (application_id,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application_id != APPLICATION_ID and (application_id or tables):
            raise ForeignStoreError(f"{path} is the database of another program; give the sidecar a file of its own")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):  # looked at before anything is written; since then nobody else can write
        raise NewerStoreError(
            f"{path} has schema {version}, this release knows up to {len(MIGRATIONS)}; "
            "use the release that wrote it, or a newer one"
        )
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if survives_power_loss else 'NORMAL'}")
    db.execute("BEGIN EXCLUSIVE")  # takes the lock that keeps a second sidecar out
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, str(problem))
    for step, script in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in filter(str.strip, script.split(";")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {step}")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("COMMIT")


def to_store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """What an error of SQLite means for the person who runs the sidecar."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _damaged(path, str(error))
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreInUseError(f"{path} is in use by another sidecar; stop that one, or give this one another file")
    if primary in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return StoreFullError(
            f"{path} cannot grow ({error}); make room on its disk or raise its limit. Nothing that was stored is lost"
        )
    return StoreError(f"{path} cannot be used ({error})")


def _damaged(path: Path, problem: str) -> DamagedStoreError:
    return DamagedStoreError(
        f"{path} is damaged ({problem}). It was not changed: restore it from a backup, "
        f"try `sqlite3 {path.name} .recover` on a copy, or move it away to start with an empty one"
    )
