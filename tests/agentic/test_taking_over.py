"""Processes that share an embedded sidecar: when the one that has it is killed, another one starts it again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio.streams.text import TextReceiveStream


class Sharing:
    """A running `sharing.py`."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self._stdout = TextReceiveStream(process.stdout)
        self._said = ""

    async def until_it_says(self, line: str) -> None:
        while line not in self._said.splitlines():
            self._said += await self._stdout.receive()


@asynccontextmanager
async def sharing(folder: Path) -> AsyncGenerator[Sharing]:
    command = [sys.executable, "-m", "tests.agentic.sharing", str(folder)]
    async with await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=None, env=dict(os.environ)
    ) as process:
        try:
            yield Sharing(process)
        finally:
            if process.returncode is None:
                process.kill()


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state" / "sidecar.json").read_text())
    return found


async def owner_among(folder: Path, processes: Sequence[Sharing]) -> Sharing:
    """The one that has the sidecar, once one of them has it."""
    while True:
        for each in processes:
            if told(folder)["pid"] == each.pid:
                return each
        await anyio.sleep(0.02)


async def until_noted(folder: Path, *lines: str) -> None:
    ledger = folder / "ledger"
    ledger.touch()
    while ledger.read_text().splitlines() != list(lines):  # noqa: ASYNC110 - other processes write it
        await anyio.sleep(0.02)


@pytest.mark.crash
async def test_runs_go_on_in_the_others_each_time_the_owner_of_the_sidecar_is_killed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with anyio.fail_after(120):
            first = await stack.enter_async_context(sharing(tmp_path))
            await first.until_it_says("up")
            await until_noted(tmp_path, "one", "hold-go")
            before = told(tmp_path)
            others = [await stack.enter_async_context(sharing(tmp_path)) for _ in range(2)]
            for each in others:
                await each.until_it_says("up")

            os.kill(first.pid, signal.SIGKILL)
            second = await owner_among(tmp_path, others)
            await until_noted(tmp_path, "one", "hold-go", "hold-go")
            os.kill(second.pid, signal.SIGKILL)
            [last] = [each for each in others if each is not second]
            await owner_among(tmp_path, [last])
            (tmp_path / "go").touch()
            await last.until_it_says("done")
    after, noted = told(tmp_path), (tmp_path / "ledger").read_text().splitlines()
    assert before["pid"] == first.pid
    assert (after["grpc_port"], after["token"]) == (before["grpc_port"], before["token"])
    assert [noted.count(each) for each in ("one", "two")] == [1, 1], "a finished step ran again"
    assert noted.count("hold-go") <= 3, "the step under way ran more than once more for each kill"
