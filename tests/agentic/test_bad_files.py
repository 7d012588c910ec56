"""A file of the embedded sidecar that cannot be used: whoever meets it says which and what to do, and leaves it."""

import contextlib
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hub import AgentRunner
from hub.config import Places
from hub.config.claiming import claim, process_start
from hub.errors import ConfigError, HubError
from hub.runner import open_dapr_connection
from hub.runner.shared_sidecar import DATABASE_NAME
from hub.sidecar.schema import APPLICATION_ID
from hub.workflows import DaprDownError, Runs
from tests.agentic.patience import answered
from tests.cli.running import Folder
from tests.sidecar.processes import running_sidecar
from tests.tooling.ports import free_port

PROGRAM = """
from hub import DurableAgent

writer = DurableAgent(name="writer", model="offline")
"""
FREE = ("--grpc-port", "0", "--http-port", "0")
NO_DATABASE = b"no database\n" * 400


@contextlib.contextmanager
def damaged(path: Path) -> Generator[None]:
    path.write_bytes(NO_DATABASE)
    yield


@contextlib.contextmanager
def foreign(path: Path) -> Generator[None]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    yield


@contextlib.contextmanager
def newer(path: Path) -> Generator[None]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 999")
    yield


@contextlib.contextmanager
def in_use(path: Path) -> Generator[None]:
    with running_sidecar(path):
        yield


Kind = Callable[[Path], contextlib.AbstractContextManager[None]]
KINDS = pytest.mark.parametrize(
    ("kind", "code", "problem", "advice"),
    [
        pytest.param(damaged, 2, "is damaged", "restore it from a backup", id="damaged"),
        pytest.param(foreign, 2, "is the database of another program", "a file of its own", id="foreign"),
        pytest.param(newer, 2, "has schema 999", "use the release that wrote it", id="newer"),
        pytest.param(in_use, 3, "is in use by another sidecar", "set DAPR_GRPC_PORT", id="in use"),
    ],
)


@contextlib.contextmanager
def left_alone(kind: Kind, state: Path) -> Generator[Path]:
    """Yields the file; at the end it holds what it held."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / DATABASE_NAME
    with kind(path):
        before = path.read_bytes()
        yield path
        assert path.read_bytes() == before
    assert [each.name for each in state.glob("*.db")] == [DATABASE_NAME]


@KINDS
@pytest.mark.parametrize("words", [("runs",), ("questions", "list"), ("serve", "--port", "0"), ("up", *FREE)])
async def test_a_command_that_meets_it_names_it_with_what_to_do(
    words: tuple[str, ...],
    kind: Kind,
    code: int,
    problem: str,
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Folder(path=tmp_path)
    folder.write("team.py", PROGRAM)
    config = folder.write("hub.yaml", 'agents: {writer: {python: "team.py:writer"}}\n')
    monkeypatch.setenv("XDG_STATE_HOME", folder.environment()["XDG_STATE_HOME"])
    with left_alone(kind, Places.of(config).state) as path:
        ended = await anyio.to_thread.run_sync(lambda: folder.run(*words))

    assert ended.code == code
    [said] = [line for line in ended.err.splitlines() if line.startswith("hub: the embedded sidecar")]
    assert said.startswith(f"hub: the embedded sidecar: {path} {problem}")
    assert advice in said
    assert "Traceback" not in ended.err


@KINDS
async def test_a_runner_that_meets_it_names_it_with_what_to_do(
    kind: Kind, code: int, problem: str, advice: str, tmp_path: Path, one_event_loop: None
) -> None:
    program = f"from hub import AgentRunner; AgentRunner(state_dir={str(tmp_path)!r}).start()"
    with left_alone(kind, tmp_path) as path:
        with pytest.raises(HubError) as opened:
            async with AgentRunner(state_dir=tmp_path):
                pass
        started = await anyio.run_process([sys.executable, "-c", program], check=False)

    assert isinstance(opened.value, ConfigError if code == 2 else DaprDownError)
    assert str(opened.value).startswith(f"the embedded sidecar: {path} {problem}")
    assert advice in str(opened.value)
    assert started.returncode == 1
    last = started.stderr.decode().splitlines()[-1]
    assert last == f"{type(opened.value).__module__}.{type(opened.value).__name__}: {opened.value}"


async def test_one_that_takes_over_says_why_it_cannot_and_goes_on_once_it_can(
    tmp_path: Path, one_event_loop: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hub.runner.shared_sidecar")
    places = Places(config=tmp_path / "hub.yaml", state=tmp_path)
    told, database = tmp_path / "sidecar.json", tmp_path / DATABASE_NAME
    database.write_bytes(NO_DATABASE)
    pid = os.getpid()
    owner = {"grpc_port": free_port(), "token": "t", "pid": pid, "process_start": process_start(pid)}
    told.write_text(json.dumps(owner))
    with contextlib.ExitStack() as owning, anyio.fail_after(60):
        assert owning.enter_context(claim(tmp_path / "sidecar.lock"))
        async with open_dapr_connection(places, {}) as connection:
            owning.close()
            for _ in range(3):
                await tried_again(told)
            with pytest.raises(DaprDownError):
                await Runs(connection).list()
            assert database.read_bytes() == NO_DATABASE
            database.unlink()
            while "the embedded sidecar is up again" not in caplog.messages:  # noqa: ASYNC110 - the log tells it
                await anyio.sleep(0.02)
            assert await answered(connection) == []

    [error] = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert f"{database} is damaged" in error
    assert "restore it from a backup" in error


async def tried_again(told: Path) -> None:
    """Until the file is written anew that each try writes."""

    def written_at() -> int:
        return told.stat().st_mtime_ns

    before = written_at()
    while written_at() == before:  # noqa: ASYNC110 - a file tells it
        await anyio.sleep(0.02)
