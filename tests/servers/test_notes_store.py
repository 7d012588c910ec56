"""Notes in their file: several processes, other files, later releases."""

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mcp_servers.notes.store import ChangedNoteError, NoteStore, NoteStoreError

WRITER = """
import sys
from pathlib import Path
from mcp_servers.notes.store import NoteStore
store = NoteStore.open(Path(sys.argv[1]))
for number in range(50):
    store.add(title=f"{sys.argv[2]} {number}", body="from two processes", tags=[sys.argv[2]])
    store.update(1, title=None, body=None, append="x", expected_version=None)
store.close()
"""


def test_two_processes_write_to_one_file_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stderr=subprocess.PIPE, text=True)
        for name in ("left", "right")
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    with closing(NoteStore.open(path)) as store:
        assert store.list().total == 100
        assert store.search("processes", tag="left").total == 50
        assert store.get(1).body == "from two processes" + "x" * 100
        assert store.get(1).version == 101


def test_many_make_one_new_file_at_once(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / f"{number}.db"
        at_once = threading.Barrier(8)

        def open_it(path: Path = path, at_once: threading.Barrier = at_once) -> int:
            at_once.wait()
            with closing(NoteStore.open(path)) as store:
                return store.list().total

        with ThreadPoolExecutor(8) as threads:
            assert [opened.result() for opened in [threads.submit(open_it) for _ in range(8)]] == [0] * 8


def test_the_search_follows_what_is_changed_and_deleted(tmp_path: Path) -> None:
    with closing(NoteStore.open(tmp_path / "notes.db")) as store:
        note = store.add(title="Alpha", body="café", tags=[])
        store.add(title="Other", body="alpha in the text", tags=[])
        assert [hit.id for hit in store.search("alpha").notes] == [1, 2]
        assert [hit.excerpt for hit in store.search("CAFE").notes] == ["[café]"]
        store.update(note.id, title="Beta", body=None, append=None, expected_version=1)
        assert [hit.id for hit in store.search("alpha").notes] == [2]
        store.delete(note.id)
        assert store.search("café").total == 0
        assert store.search("beta").total == 0


def test_a_number_is_never_given_again(tmp_path: Path) -> None:
    with closing(NoteStore.open(tmp_path / "notes.db")) as store:
        store.delete(store.add(title="One", body="", tags=["gone"]).id)
        assert store.add(title="Two", body="", tags=[]).id == 2
        assert store.tags() == []


def test_a_change_that_is_refused_leaves_no_trace(tmp_path: Path) -> None:
    with closing(NoteStore.open(tmp_path / "notes.db")) as store:
        before = store.add(title="One", body="text", tags=[])
        with pytest.raises(ChangedNoteError, match="Note 1 is in version 1, not 2"):
            store.delete(1, expected_version=2)
        assert store.get(1) == before


def test_a_file_that_is_no_notes_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"no database, but a text of some length" * 100)
    before = path.read_bytes()
    with pytest.raises(NoteStoreError, match=r"notes\.db can't be used as a notes file .*; give another one"):
        NoteStore.open(path)
    assert path.read_bytes() == before


def test_a_file_of_a_later_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    NoteStore.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(NoteStoreError, match="has format 2, this program knows format 1: use a newer release"):
        NoteStore.open(path)
