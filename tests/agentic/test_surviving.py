"""Runs of agents survive the process: no finished model call or tool call is made again."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import pytest

from hub import AgentRunner, DurableAgent
from hub.workflows import WorkerSettings
from tests.agentic.model_server import ModelServer, after, calls, refuses, says

RunnerOf = Callable[..., AgentRunner]


@asynccontextmanager
async def program(folder: Path, models: ModelServer, task: str = "Work.") -> AsyncGenerator[anyio.abc.Process]:
    """The program of `program.py`; killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.agentic.program", str(folder / "state"), models.model]
    command += [str(folder / "ledger"), "the-run", task]
    async with await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=None, env=dict(os.environ)
    ) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def answer_of(process: anyio.abc.Process) -> str:
    assert process.stdout is not None
    text = b""
    async for part in process.stdout:
        text += part
    await process.wait()
    return text.decode().strip()


async def kinds_of_entries(folder: Path) -> list[str]:
    """What the history of the program's run holds, read by a process that works on no runs."""
    async with AgentRunner(state_dir=folder / "state") as reader:
        return [event.kind for event in await reader.runs.history("the-run")]


async def wait_for_entries(folder: Path, kind: str, count: int) -> None:
    async with AgentRunner(state_dir=folder / "state") as reader:
        while [event.kind for event in await reader.runs.history("the-run")].count(kind) < count:  # noqa: ASYNC110 - a history does not tell
            await anyio.sleep(0.01)


@pytest.mark.crash
async def test_a_killed_run_goes_on_from_its_last_finished_step(tmp_path: Path, models: ModelServer) -> None:
    held = anyio.Event()
    models.plays(calls(("note", {"text": "one"})), after(held, says("never read")))
    with anyio.fail_after(60):
        async with program(tmp_path, models) as process:
            await models.wait_for_requests(2)
            process.kill()
        held.set()
        models.plays(calls(("note", {"text": "two"})), says("done"))
        async with program(tmp_path, models) as process:
            assert await answer_of(process) == "done"
    lines = (tmp_path / "ledger").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["one", "two"]
    assert len(models.requests) == 4, "the first model call once, the one under way twice, the last once"
    assert models.headers[1]["idempotency-key"] == models.headers[2]["idempotency-key"]
    assert models.messages(1) == models.messages(2)


@pytest.mark.crash
async def test_a_rate_limit_is_waited_for_durably_even_by_the_next_process(tmp_path: Path, models: ModelServer) -> None:
    models.plays(*[refuses(429, retry_after="2")] * 5, says("at last"))
    with anyio.fail_after(90):
        async with program(tmp_path, models) as process:
            await models.wait_for_requests(1)  # so the sidecar is the program's and dies with it
            await wait_for_entries(tmp_path, "timerCreated", 3)
            process.kill()
            await process.wait()
        before = Counter(await kinds_of_entries(tmp_path))
        async with program(tmp_path, models) as process:
            assert await answer_of(process) == "at last"
    after_all = Counter(await kinds_of_entries(tmp_path))
    assert (before["timerCreated"], before["timerFired"]) == (3, 2), "it was killed in the third wait"
    assert (after_all["timerCreated"], after_all["timerFired"]) == (5, 5), "each refusal is waited for once"
    assert len(models.requests) == 6, "no call that was refused is made again before its time"


async def test_a_waiting_run_holds_no_step_slot(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(refuses(429, retry_after="600"), says("quick"))
    agent = DurableAgent(model=models.model)
    async with runner_of(agent, worker=WorkerSettings(max_steps=1)) as runner:
        waiting = await runner.start_run("Wait.")
        with anyio.fail_after(20):
            await models.wait_for_requests(1)
            assert await runner.run("Be quick.") == "quick"
        assert (await runner.runs.status(waiting)).status == "running"
        await runner.runs.cancel(waiting)


async def test_the_same_run_id_attaches_to_the_run(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(says("once"))
    async with runner_of(DurableAgent(model=models.model)) as runner:
        first = await runner.run("Do it.", run_id=f"attached-{models.url[-9:-3]}")
        again = await runner.run("Do it.", run_id=f"attached-{models.url[-9:-3]}")
    assert (first, again, len(models.requests)) == ("once", "once", 1)


async def test_a_second_runner_of_the_same_folder_uses_the_firsts_sidecar(tmp_path: Path, models: ModelServer) -> None:
    models.plays(says("shared"))
    first = AgentRunner(DurableAgent(model=models.model), state_dir=tmp_path)
    second = AgentRunner(DurableAgent(model=models.model), state_dir=tmp_path)
    async with first:
        run_id = await first.start_run("Share.")
        async with second:
            assert await second.runs.result(run_id, timeout_s=20) == "shared"
