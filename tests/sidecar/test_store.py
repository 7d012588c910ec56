"""The database file: damaged, foreign, newer, in use, full, older."""

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import pytest

from hub.sidecar import schema
from hub.sidecar.answers import Answers
from hub.sidecar.client_api import PURGED_AT_ONCE, ClientApi
from hub.sidecar.dispatch import Dispatcher
from hub.sidecar.errors import (
    DamagedStoreError,
    ForeignStoreError,
    NewerStoreError,
    StoppingError,
    StoreError,
    StoreFullError,
    StoreInUseError,
)
from hub.sidecar.proto import actions_pb, common_pb, service_pb
from hub.sidecar.runs import NewRun, create_run, list_run_ids, terminate_run
from hub.sidecar.settings import SidecarSettings
from hub.sidecar.state import read_value, save_value
from hub.sidecar.store import Store, Transaction, open_store
from hub.sidecar.workers import WorkStream


@contextlib.asynccontextmanager
async def opened(path: Path, *, max_file_bytes: int | None = None) -> AsyncGenerator[Store]:
    with open_store(SidecarSettings(db_path=path, max_file_bytes=max_file_bytes)) as store:
        yield store


def start(tx: Transaction) -> bool:
    return create_run(tx, NewRun(run_id="run", name="workflow"), "hub")


async def test_what_was_stored_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "s.db") as store:
        await store.change(start)
    async with opened(tmp_path / "s.db") as store:
        assert store.read(lambda db: list_run_ids(db, 0, 10)) == (["run"], None)


async def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    async with opened(tmp_path / "s.db"):
        assert (tmp_path / "s.db").stat().st_mode & 0o777 == 0o600


async def test_a_second_sidecar_on_one_file_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "s.db"):
        with pytest.raises(StoreInUseError, match=r"s\.db is in use by another sidecar"):
            async with opened(tmp_path / "s.db"):
                pass


async def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(DamagedStoreError, match=r"s\.db is damaged .* restore it from a backup"):
        async with opened(path):
            pass
    assert path.read_bytes() == b"not a database" * 1000


async def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        for number in range(50):
            item = common_pb.StateItem(key=str(number), value=b"x" * 4000)
            await store.change(lambda tx, item=item: save_value(tx, "statestore", item))
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 30] = b"\xff" * (4096 * 27)
    path.write_bytes(content)
    with pytest.raises(DamagedStoreError, match=r"s\.db is damaged"):
        async with opened(path):
            pass
    assert path.read_bytes() == bytes(content)


async def test_a_truncated_file_is_not_silently_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        await store.change(start)
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(DamagedStoreError):
        async with opened(path):
            pass


async def test_the_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(ForeignStoreError, match="another program"):
        async with opened(path):
            pass
    assert path.read_bytes() == before


async def test_a_file_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerStoreError, match=r"schema 99, this release knows up to \d+"):
        async with opened(path):
            pass


async def test_a_file_of_an_older_release_is_migrated_with_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.db"
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        async with opened(path) as store:
            await store.change(start)
    async with opened(path) as store:
        item = common_pb.StateItem(key="k", value=b"v")
        await store.change(lambda tx: save_value(tx, "statestore", item))
        assert store.read(lambda db: list_run_ids(db, 0, 10)) == (["run"], None)


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        await store.change(start)
    with monkeypatch.context() as broken:
        broken.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE extra (x); CREATE TABLE runs (x);"))
        with pytest.raises(StoreError):
            async with opened(path):
                pass
    async with opened(path) as store:
        tables = store.read(lambda db: {name for (name,) in db.execute("SELECT name FROM sqlite_schema")})
    assert "extra" not in tables


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be opened for writing"):
        async with opened(tmp_path / "file" / "s.db"):
            pass


async def test_a_full_file_refuses_what_does_not_fit_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    stored = 0
    async with opened(path, max_file_bytes=600_000) as store:

        async def fill() -> None:
            nonlocal stored
            while True:
                item = common_pb.StateItem(key=str(stored), value=b"x" * 50_000)
                await store.change(lambda tx, item=item: save_value(tx, "statestore", item))
                stored += 1

        with pytest.raises(StoreFullError, match=r"s\.db cannot grow .* make room"):
            await fill()
        small = common_pb.StateItem(key="0", value=b"small")
        await store.change(lambda tx: save_value(tx, "statestore", small))
        again = common_pb.StateItem(key="again", value=b"y" * 40_000)
        await store.change(lambda tx: save_value(tx, "statestore", again))
    async with opened(path) as store:
        found = [store.read(lambda db, n=n: read_value(db, "statestore", str(n), 0.0)) for n in range(stored + 1)]
    sizes = [None if value is None else len(value.value) for value in found]
    assert sizes == [5, *([50_000] * (stored - 1)), None]


@pytest.mark.parametrize("writes_first", [False, True], ids=["at once", "after it has written"])
async def test_one_bad_change_does_not_spoil_those_committed_with_it(tmp_path: Path, writes_first: bool) -> None:
    def save(key: str) -> Callable[[Transaction], None]:
        return lambda tx: save_value(tx, "statestore", common_pb.StateItem(key=key, value=b"v"))

    def fail(tx: Transaction) -> None:
        if writes_first:
            save("bad")(tx)
        raise ValueError("bad")

    async with opened(tmp_path / "s.db") as store:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.change, save("a"))
            with pytest.raises(ValueError, match="bad"):
                await store.change(fail)
            tasks.start_soon(store.change, save("b"))
        keys = store.read(lambda db: [key for (key,) in db.execute("SELECT key FROM state ORDER BY key")])
    assert keys == ["a", "b"]


async def test_changes_that_come_together_are_one_commit(tmp_path: Path) -> None:
    commits: list[int] = []

    async with opened(tmp_path / "s.db") as store:
        store.read(lambda db: db.set_trace_callback(lambda sql: commits.append(1) if sql == "COMMIT" else None))

        def save(key: int) -> Callable[[Transaction], None]:
            return lambda tx: save_value(tx, "statestore", common_pb.StateItem(key=str(key), value=b"v"))

        async with anyio.create_task_group() as tasks:
            for key in range(100):
                tasks.start_soon(store.change, save(key))
        assert sum(commits) == 1


async def test_what_is_asked_for_after_the_end_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "s.db") as store:
        pass
    with pytest.raises(StoppingError):
        await store.change(start)
    with pytest.raises(StoppingError):
        store.read(lambda db: list_run_ids(db, 0, 10))


def end(tx: Transaction) -> None:
    terminate_run(tx, "run", output=None, recurse=False)


async def test_an_activity_of_a_run_that_is_ended_in_the_same_commit_is_not_given_out(tmp_path: Path) -> None:
    settings = SidecarSettings(db_path=tmp_path / "s.db")
    schedules = service_pb.WorkflowResponse(
        instanceId="run",
        actions=[actions_pb.WorkflowAction(id=1, scheduleTask=actions_pb.ScheduleTaskAction(name="a"))],
    )
    with open_store(settings) as store:
        dispatcher = Dispatcher(store, settings)
        answers = Answers(store, dispatcher, "hub")
        worker = WorkStream("worker", ())
        dispatcher.add(worker)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.run)
            await store.change(start)
            with anyio.fail_after(5):
                turn = await worker.items.get()
            assert turn is not None
            assert turn.HasField("workflowRequest")
            async with anyio.create_task_group() as together:
                together.start_soon(answers.complete_turn, schedules)
                together.start_soon(store.change, end)
            await anyio.sleep(0.05)
            assert worker.items.empty()
            tasks.cancel_scope.cancel()


async def test_a_run_that_cannot_be_read_holds_up_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def start_both(tx: Transaction) -> None:
        for run_id in ("broken", "sound"):
            create_run(tx, NewRun(run_id=run_id, name="workflow"), "hub")
        tx.db.execute("UPDATE inbox SET event = x'ff' WHERE run = (SELECT run FROM runs WHERE id = 'broken')")

    settings = SidecarSettings(db_path=tmp_path / "s.db")
    with open_store(settings) as store:
        dispatcher = Dispatcher(store, settings)
        worker = WorkStream("worker", ())
        dispatcher.add(worker)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.run)
            await store.change(start_both)
            with anyio.fail_after(5):
                item = await worker.items.get()
            assert item is not None
            assert item.workflowRequest.instanceId == "sound"
            tasks.cancel_scope.cancel()
    assert "cannot be put together" in caplog.text


async def test_many_runs_are_purged_in_several_commits(tmp_path: Path) -> None:
    many = 2 * PURGED_AT_ONCE + 1

    def finish(tx: Transaction) -> None:
        for number in range(many):
            create_run(tx, NewRun(run_id=str(number), name="workflow"), "hub")
            terminate_run(tx, str(number), output=None, recurse=False)
        create_run(tx, NewRun(run_id="alive", name="workflow"), "hub")

    commits: list[int] = []
    async with opened(tmp_path / "s.db") as store:
        await store.change(finish)
        store.on_commit(lambda tx: commits.append(len(tx.changed)))
        request = service_pb.PurgeInstancesRequest(purgeInstanceFilter=service_pb.PurgeInstanceFilter())
        answer = await ClientApi(store, "hub").purge(request, None)
        assert answer.deletedInstanceCount == many
        assert commits == [PURGED_AT_ONCE, PURGED_AT_ONCE, 1]
        assert store.read(lambda db: list_run_ids(db, 0, 10)) == (["alive"], None)
