"""Functions behind the host program, as the hub holds them: listed, called, asked, stopped, fenced."""

import os
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from adapters import hosted, manifest
from adapters.hosted import HostProvider, open_host_provider
from adapters.settings import FunctionSettings
from hub.catalog.provider import Answer, Change, Json, Outcome, Provider, Questions
from hub.errors import StaleAnswerError, UpstreamDownError
from hub.upstream import Surroundings
from tests.upstream.callers import Person, modern
from tests.wrapped.processes import kill_hosts

SOURCE = '''
import asyncio
import os


async def double(number: int) -> int:
    """Twice a number."""
    await asyncio.sleep(0)
    return 2 * number


def environment() -> dict[str, str]:
    """What the program sees of its environment."""
    return dict(os.environ)


def process() -> int:
    """The id of the process."""
    return os.getpid()


def fail() -> str:
    """Never works."""
    raise RuntimeError("key sk-MARKER")


async def wait(path: str) -> str:
    """Waits until it is cancelled, and writes that down."""
    with open(path, "w") as pipe:
        pipe.write("waiting")
    try:
        await asyncio.sleep(3600)
    finally:
        with open(path, "w") as pipe:
            pipe.write("cancelled")
    return "done"
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "work.py").write_text(SOURCE)
    return folder


@asynccontextmanager
async def opened(surroundings: Surroundings, reference: str = "work.py", **more: Any) -> AsyncGenerator[HostProvider]:
    settings = FunctionSettings.model_validate(
        {"functions": reference, "project": "project", "python": sys.executable, **more}
    )
    with anyio.fail_after(60):
        async with open_host_provider("functions", "work", settings, surroundings) as provider:
            yield provider


async def result_of(provider: Provider, tool: str, caller: Person | None = None, **arguments: object) -> Any:
    outcome = await provider.call({"name": tool, "arguments": arguments}, caller or modern())
    assert isinstance(outcome, Answer)
    assert outcome.body["isError"] is False, outcome.body
    return outcome.body["structuredContent"]


async def test_tools_are_listed_without_a_running_process_and_a_call_starts_one(
    surroundings: Surroundings, project: Path
) -> None:
    async with opened(surroundings) as provider:
        tools = await provider.list("tools")
        assert [tool["name"] for tool in tools] == ["double", "environment", "process", "fail", "wait"]
        assert (provider.state.phase, provider.processes) == ("ready", 0)
        assert await result_of(provider, "double", number=21) == {"result": 42}
        assert provider.processes == 1


async def test_the_fingerprint_is_of_the_host_s_sources_and_not_of_its_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "host" / "interop_hub_host"
    shutil.copytree(manifest.HOST_PROGRAM.parent / package.name, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(manifest, "HOST_PROGRAM", package.parent / "__main__.py")
    python, project = Path(sys.executable), tmp_path / "project"
    command = manifest.HostCommand(python=python, project=project, targets=(), env={}, storage=tmp_path)
    before = await manifest.fingerprint_of(command)
    (package / "__pycache__").mkdir()
    assert await manifest.fingerprint_of(command) == before
    (package / "runs.py").write_text("")
    assert await manifest.fingerprint_of(command) != before


async def test_the_manifest_is_kept_until_the_project_changes(
    surroundings: Surroundings, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "LOOK_EVERY_S", 0.05)
    async with opened(surroundings) as provider:
        await provider.list("tools")
    cache = surroundings.state / "manifests" / "functions-work.json"
    written_at = cache.stat().st_mtime_ns
    async with opened(surroundings) as provider:
        await provider.list("tools")
        assert cache.stat().st_mtime_ns == written_at

        changed = anyio.Event()

        def listen(change: Change) -> None:
            if change.what == "tools":
                changed.set()

        provider.watch(listen)
        first = await result_of(provider, "process")
        (project / "work.py").write_text(SOURCE + "\n\ndef more() -> int:\n    return 1\n")
        await changed.wait()
        assert [tool["name"] for tool in await provider.list("tools")][-1] == "more"
        assert await result_of(provider, "more") == {"result": 1}
        assert await result_of(provider, "process") != first


async def test_a_process_that_nobody_needs_is_stopped_and_comes_back(surroundings: Surroundings, project: Path) -> None:
    async with opened(surroundings, idle_s=0.05) as provider:
        first = (await result_of(provider, "process"))["result"]
        stopped = anyio.Event()
        provider.watch(lambda _: None if provider.processes else stopped.set())
        if provider.processes:
            await stopped.wait()
        assert (await result_of(provider, "process"))["result"] != first


async def test_fifty_calls_at_once_each_get_their_own_answer(surroundings: Surroundings, project: Path) -> None:
    answers: dict[int, Json] = {}

    async def call(number: int) -> None:
        answers[number] = await result_of(provider, "double", number=number)

    async with opened(surroundings, workers=3) as provider, anyio.create_task_group() as calls:
        for number in range(50):
            calls.start_soon(call, number)
    assert answers == {number: {"result": 2 * number} for number in range(50)}


async def test_only_the_named_variables_reach_the_program(surroundings: Surroundings, project: Path) -> None:
    os.environ["HUB_TEST_SECRET"] = "sk-MARKER"
    try:
        async with opened(surroundings, env={"GREETING": "hello"}) as provider:
            seen = await result_of(provider, "environment")
    finally:
        del os.environ["HUB_TEST_SECRET"]
    assert seen["GREETING"] == "hello"
    assert "sk-MARKER" not in str(seen)


async def test_what_an_exception_says_stays_in_the_log(surroundings: Surroundings, project: Path) -> None:
    async with opened(surroundings) as provider:
        outcome = await provider.call({"name": "fail", "arguments": {}}, modern())
    assert isinstance(outcome, Answer)
    assert outcome.body["isError"] is True
    assert outcome.body["_meta"]["hub/code"] == "internal"
    assert "sk-MARKER" not in str(outcome.body)


async def test_a_cancelled_call_is_cancelled_in_the_program(
    surroundings: Surroundings, project: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    os.mkfifo(ledger)
    async with opened(surroundings) as provider, anyio.create_task_group() as calls:
        calls.start_soon(provider.call, {"name": "wait", "arguments": {"path": str(ledger)}}, modern())
        assert await anyio.to_thread.run_sync(ledger.read_text) == "waiting"
        calls.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            assert await anyio.to_thread.run_sync(ledger.read_text) == "cancelled"


async def test_a_module_that_can_not_be_imported_is_told_without_the_exception_s_text(
    surroundings: Surroundings, project: Path
) -> None:
    (project / "work.py").write_text("raise RuntimeError('sk-MARKER')\n")
    async with opened(surroundings) as provider:
        with pytest.raises(UpstreamDownError) as raised:
            await provider.list("tools")
        assert str(raised.value) == "work can't be offered: the import of `work` raises RuntimeError"
        assert provider.state.phase == "down"
    assert surroundings.log_path is not None
    assert "RuntimeError: sk-MARKER" in surroundings.log_path.read_text()


async def asked(provider: Provider, caller: Person, key: str) -> Questions:
    params: Json = {"name": "approve", "arguments": {"amount": 7}, "_meta": {"hub/idempotencyKey": key}}
    outcome = await provider.call(params, caller)
    assert isinstance(outcome, Questions)
    return outcome


async def answered(provider: Provider, caller: Person, questions: Questions, key: str | None = None) -> Outcome:
    (question,) = questions.body["inputRequests"]
    params: Json = {
        "name": "approve",
        "arguments": {"amount": 7},
        "inputResponses": {question: {"action": "accept", "content": {"approved": True}}},
        "requestState": questions.body["requestState"],
    }
    if key is not None:
        params["_meta"] = {"hub/idempotencyKey": key}
    return await provider.call(params, caller)


@pytest.fixture
def test_project(surroundings: Surroundings) -> Json:
    return {"project": str(Path(__file__).parents[1] / "envs" / "functions_project"), "reference": "functions.py"}


async def test_a_question_survives_the_death_of_the_process(surroundings: Surroundings, test_project: Json) -> None:
    async with opened(surroundings, **test_project, env={"MODEL_URL": "none"}) as provider:
        questions = await asked(provider, modern(), "run-1")
        kill_hosts()
        outcome = await answered(provider, modern(), questions, "run-1")
        assert isinstance(outcome, Answer)
        assert outcome.body["content"] == [{"type": "text", "text": "paid"}]


async def test_nobody_can_go_on_with_somebody_else_s_call(surroundings: Surroundings, test_project: Json) -> None:
    async with opened(surroundings, **test_project, env={"MODEL_URL": "none"}) as provider:
        questions = await asked(provider, modern(identity="ann"), "run-1")
        with pytest.raises(StaleAnswerError):
            await answered(provider, modern(identity="bob"), questions)
        outcome = await answered(provider, modern(identity="ann"), questions)
        assert isinstance(outcome, Answer)
