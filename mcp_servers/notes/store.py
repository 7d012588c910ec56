"""Notes in one SQLite file, which several processes may use at once."""

import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from mcp_servers.notes.model import FoundNotes, Note, NotePage, NoteSummary, note_uri

_SCHEMA_VERSION = 1
_BUSY_TIMEOUT_MS = 10_000
_BUSY_PAUSE_S = 0.01
_EXCERPT_CHARS = 160

_SCHEMA = """
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, body TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX notes_by_update ON notes (updated_at);
CREATE TABLE note_tags (
    tag TEXT NOT NULL, note_id INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE, PRIMARY KEY (tag, note_id)
) WITHOUT ROWID;
CREATE INDEX tags_by_note ON note_tags (note_id, tag);
CREATE VIRTUAL TABLE notes_text USING fts5 (
    title, body, content = 'notes', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER notes_inserted AFTER INSERT ON notes BEGIN
    INSERT INTO notes_text (rowid, title, body) VALUES (new.id, new.title, new.body);
END;
CREATE TRIGGER notes_deleted AFTER DELETE ON notes BEGIN
    INSERT INTO notes_text (notes_text, rowid, title, body) VALUES ('delete', old.id, old.title, old.body);
END;
CREATE TRIGGER notes_rewritten AFTER UPDATE OF title, body ON notes BEGIN
    INSERT INTO notes_text (notes_text, rowid, title, body) VALUES ('delete', old.id, old.title, old.body);
    INSERT INTO notes_text (rowid, title, body) VALUES (new.id, new.title, new.body);
END;
"""


class NoteStoreError(Exception):
    """The store can't be opened; the message says what to do."""


class UnknownNoteError(Exception):
    """There is no note of that number."""

    def __init__(self, note_id: int) -> None:
        super().__init__(f"There is no note {note_id}; list_notes and search_notes tell which there are.")


class ChangedNoteError(Exception):
    """The note is no longer in the version that the caller has seen."""

    def __init__(self, note_id: int, expected: int, found: int) -> None:
        super().__init__(
            f"Note {note_id} is in version {found}, not {expected}: somebody changed it meanwhile. "
            "Read it with get_note, then try again."
        )


def _use_wal(db: sqlite3.Connection) -> None:
    """Keep the journal as WAL; two first openers of one file turn it on one after the other.

    Source: SQLite does not call its busy handler for a change of the journal mode that another connection is making.
    """
    gives_up_at = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > gives_up_at:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


class NoteStore:
    """The notes of one file. Each method is one transaction, whole or not at all."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, or make it.

        Raises:
            NoteStoreError: it is not a notes file, or one of a later release.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        # Used by one worker thread at a time, though not always by the same.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        store = cls(db)
        try:
            db.row_factory = sqlite3.Row
            db.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            _use_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            store._prepare(path)
        except sqlite3.DatabaseError as error:
            db.close()
            raise NoteStoreError(f"{path} can't be used as a notes file ({error}); give another one.") from error
        except NoteStoreError:
            db.close()
            raise
        return store

    def _prepare(self, path: Path) -> None:
        with self._change():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _statements(_SCHEMA):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise NoteStoreError(
                    f"{path} has format {version}, this program knows format {_SCHEMA_VERSION}: use a newer release."
                )

    def close(self) -> None:
        self._db.close()

    def add(self, *, title: str, body: str, tags: Sequence[str]) -> Note:
        now = _now()
        with self._change():
            cursor = self._db.execute(
                "INSERT INTO notes (title, body, created_at, updated_at) VALUES (?, ?, ?, ?)", (title, body, now, now)
            )
            note_id = int(cursor.lastrowid or 0)
            self._add_tags(note_id, tags)
            return self._note(note_id)

    def get(self, note_id: int) -> Note:
        """Raises: UnknownNoteError."""
        with self._view():
            return self._note(note_id)

    def update(
        self,
        note_id: int,
        *,
        title: str | None,
        body: str | None,
        append: str | None,
        expected_version: int | None,
    ) -> Note:
        """Change what is given.

        Raises:
            UnknownNoteError: it is not there.
            ChangedNoteError: it is not in `expected_version`.
        """
        with self._change():
            note = self._note(note_id)
            if expected_version is not None and expected_version != note.version:
                raise ChangedNoteError(note_id, expected_version, note.version)
            new_title = note.title if title is None else title
            new_body = (note.body if body is None else body) + (append or "")
            if (new_title, new_body) == (note.title, note.body):
                return note
            self._db.execute("UPDATE notes SET title = ?, body = ? WHERE id = ?", (new_title, new_body, note_id))
            self._touch(note_id)
            return self._note(note_id)

    def tag(self, note_id: int, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Note:
        """Raises: UnknownNoteError."""
        with self._change():
            before = self._note(note_id)
            self._add_tags(note_id, add)
            self._db.executemany(
                "DELETE FROM note_tags WHERE tag = ? AND note_id = ?", [(tag, note_id) for tag in remove]
            )
            after = self._note(note_id)
            if after.tags == before.tags:
                return before
            self._touch(note_id)
            return self._note(note_id)

    def delete(self, note_id: int, *, expected_version: int | None = None) -> Note:
        """Delete it for good and return what it was.

        Raises:
            UnknownNoteError: it is not there.
            ChangedNoteError: it is not in `expected_version`.
        """
        with self._change():
            note = self._note(note_id)
            if expected_version is not None and expected_version != note.version:
                raise ChangedNoteError(note_id, expected_version, note.version)
            self._db.execute("DELETE FROM notes WHERE id = ?", (note_id,))
            return note

    def list(self, *, tag: str | None = None, before: int | None = None, limit: int = 20) -> NotePage:
        """The newest notes whose number is below `before`."""
        tagged = "id IN (SELECT note_id FROM note_tags WHERE tag = :tag)" if tag is not None else "1"
        values = {"tag": tag, "before": before if before is not None else 2**62, "limit": limit + 1}
        with self._view():
            (total,) = self._db.execute(f"SELECT count(*) FROM notes WHERE {tagged}", values).fetchone()  # noqa: S608 - one of two constants
            rows = self._db.execute(
                f"SELECT * FROM notes WHERE {tagged} AND id < :before ORDER BY id DESC LIMIT :limit",  # noqa: S608 - one of two constants
                values,
            ).fetchall()
            notes = [self._summary(row) for row in rows[:limit]]
        return NotePage(notes=notes, total=total, next_before=notes[-1].id if len(rows) > limit else None)

    def recent(self, *, limit: int, since: str = "", tag: str | None = None) -> Sequence[Note]:
        """Whole notes, the last changed first; `since` is an instant in ISO 8601."""
        with self._view():
            rows = self._db.execute(
                """SELECT id FROM notes WHERE updated_at >= :since
                   AND (:tag IS NULL OR id IN (SELECT note_id FROM note_tags WHERE tag = :tag))
                   ORDER BY updated_at DESC, id DESC LIMIT :limit""",
                {"since": since, "tag": tag, "limit": limit},
            ).fetchall()
            return [self._note(row["id"]) for row in rows]

    def search(self, words: str, *, tag: str | None = None, limit: int = 20) -> FoundNotes:
        """Notes that have all the words, or words that begin so; a hit in the title weighs more."""
        query = " ".join('"{}"*'.format(word.replace('"', '""')) for word in words.split())
        hits = """FROM notes_text JOIN notes ON notes.id = notes_text.rowid WHERE notes_text MATCH :query
                  AND (:tag IS NULL OR notes.id IN (SELECT note_id FROM note_tags WHERE tag = :tag))"""
        values = {"query": query, "tag": tag, "limit": limit}
        with self._view():
            (total,) = self._db.execute(f"SELECT count(*) {hits}", values).fetchone()
            rows = self._db.execute(
                f"""SELECT notes.*, snippet(notes_text, -1, '[', ']', '…', 24) AS hit {hits}
                    ORDER BY bm25(notes_text, 4.0, 1.0), notes.id DESC LIMIT :limit""",
                values,
            ).fetchall()
            return FoundNotes(notes=[self._summary(row, row["hit"]) for row in rows], total=total)

    def tags(self, *, prefix: str = "") -> Sequence[str]:
        """Tags in use that begin so, the most used first."""
        with self._view():
            rows = self._db.execute(
                """SELECT tag FROM note_tags WHERE substr(tag, 1, length(:prefix)) = :prefix
                   GROUP BY tag ORDER BY count(*) DESC, tag""",
                {"prefix": prefix},
            )
            return [row["tag"] for row in rows]

    def ids(self, *, prefix: str = "") -> Sequence[int]:
        """Numbers of notes that begin so, the last changed first."""
        with self._view():
            rows = self._db.execute(
                """SELECT id FROM notes WHERE substr(CAST(id AS TEXT), 1, length(:prefix)) = :prefix
                   ORDER BY updated_at DESC, id DESC""",
                {"prefix": prefix},
            )
            return [row["id"] for row in rows]

    @contextmanager
    def _change(self) -> Generator[None]:
        yield from self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _view(self) -> Generator[None]:
        yield from self._transaction("BEGIN")

    def _transaction(self, begin: str) -> Generator[None]:
        self._db.execute(begin)
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _note(self, note_id: int) -> Note:
        row = self._db.execute("SELECT * FROM notes WHERE id = ?", (note_id,)).fetchone()
        if row is None:
            raise UnknownNoteError(note_id)
        return Note(**dict(row), uri=note_uri(note_id), tags=self._tags_of(note_id))

    def _summary(self, row: sqlite3.Row, excerpt: str | None = None) -> NoteSummary:
        text = " ".join((row["body"] if excerpt is None else excerpt).split())
        return NoteSummary(
            id=row["id"],
            uri=note_uri(row["id"]),
            title=row["title"],
            tags=self._tags_of(row["id"]),
            excerpt=text if excerpt is not None or len(text) <= _EXCERPT_CHARS else text[: _EXCERPT_CHARS - 1] + "…",
            updated_at=row["updated_at"],
        )

    def _tags_of(self, note_id: int) -> Sequence[str]:
        rows = self._db.execute("SELECT tag FROM note_tags WHERE note_id = ? ORDER BY tag", (note_id,))
        return [row["tag"] for row in rows]

    def _add_tags(self, note_id: int, tags: Sequence[str]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO note_tags (tag, note_id) VALUES (?, ?)", [(tag, note_id) for tag in tags]
        )

    def _touch(self, note_id: int) -> None:
        self._db.execute("UPDATE notes SET version = version + 1, updated_at = ? WHERE id = ?", (_now(), note_id))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the transaction that it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
