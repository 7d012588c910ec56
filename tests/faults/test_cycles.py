"""Starting and stopping again and again leaves no process, task, socket or descriptor behind."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import pytest

from bench.measured import write_section
from hub.upstream import ServerSettings, open_links, open_upstream
from tests.faults.trouble import FAULTY, http_server, stdio_server
from tests.tooling.hub_process import open_hub
from tests.tooling.proc import Process, descendants, end, left_after, open_descriptors
from tests.tooling.wire import Wire, call_tool, tool_call

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def rows(full: bool) -> Generator[list[tuple[str, ...]]]:
    """What was started and stopped; a full run writes it down."""
    found: list[tuple[str, ...]] = []
    yield found
    if full and found:
        head = ("what", "starts and stops", "left behind")
        write_section("Starting and stopping", [head, *found])


def kinds_of_descriptors() -> Counter[str]:
    return Counter(target.partition(":")[0] for target in open_descriptors().values())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["stdio", "HTTP"])
async def test_cycles_of_an_upstream_leave_nothing_behind(
    kind: str, tmp_path: Path, full: bool, rows: list[tuple[str, ...]]
) -> None:
    cycles = 500 if full else 60
    with ExitStack() as stack:
        entry = stdio_server() if kind == "stdio" else stack.enter_context(http_server(tmp_path, "cycled"))
        settings = ServerSettings.model_validate(entry)
        base_env = {"PATH": os.environ["PATH"]}
        async with open_links(base_env=base_env, seal_key=bytes(32), version="0") as links:

            async def cycle() -> None:
                with anyio.fail_after(20):
                    async with open_upstream("cycled", settings, links=links, log_path=tmp_path / "log") as server:
                        await server.settled()
                        assert server.state.phase == "ready"
                        assert "echo" in [tool["name"] for tool in await server.list("tools")]

            for _ in range(3):
                await cycle()
            await _settle()
            tasks, descriptors = len(asyncio.all_tasks()), kinds_of_descriptors()
            processes = descendants(os.getpid())
            for _ in range(cycles):
                await cycle()
            await _settle()
            assert len(asyncio.all_tasks()) == tasks
            assert kinds_of_descriptors() == descriptors
            assert descendants(os.getpid()) == processes
    rows.append((f"an upstream over {kind}", str(cycles), "no task, descriptor, socket or process"))


async def _settle() -> None:
    """Let connections that were closed get their last turn of the loop."""
    for _ in range(20):
        await anyio.sleep(0.01)


@pytest.mark.timeout(300)
def test_cycles_of_the_whole_hub_leave_no_process_behind(
    tmp_path: Path, full: bool, rows: list[tuple[str, ...]]
) -> None:
    cycles = 20 if full else 3
    with http_server(tmp_path, "remote") as remote:
        for number in range(cycles):
            folder = tmp_path / str(number)
            with open_hub(folder, {"local": stdio_server(), "remote": remote}) as hub:
                for server in ("local", "remote"):
                    answer = call_tool(hub.port, f"{server}__echo", {"text": "hello"})
                    assert answer["result"]["content"] == [{"type": "text", "text": "hello"}]
                family = descendants(hub.program.pid)
                assert any("stdio_server.py" in process.command for process in family)
                os.kill(hub.program.pid, signal.SIGTERM)
                assert left_after(family, deadline_s=10) == []
                assert left_after(descendants(hub.program.pid), deadline_s=1) == []
    rows.append(("the whole hub, a stdio and an HTTP server behind it", str(cycles), "no process"))


def server_with_a_grandchild() -> dict[str, object]:
    server = f"{sys.executable} -E -S {FAULTY / 'stdio_server.py'}"
    return {"command": "sh", "args": ["-c", f"sleep 600 & sleep 600 & {server}; true"]}


@pytest.mark.crash
@pytest.mark.parametrize("in_a_call", [False, True], ids=["idle", "in a call"])
def test_a_hub_killed_with_sigkill_leaves_no_child_or_grandchild(in_a_call: bool, tmp_path: Path) -> None:
    with open_hub(tmp_path, {"local": server_with_a_grandchild(), "other": stdio_server()}) as hub:
        assert call_tool(hub.port, "local__echo", {"text": "hello"})["result"]["content"][0]["text"] == "hello"
        family = descendants(hub.program.pid)
        assert sum(process.command.startswith("sleep 600") for process in family) == 2
        with ExitStack() as stack:
            if in_a_call:
                stack.enter_context(_hanging_call(hub.port))
            os.kill(hub.program.pid, signal.SIGKILL)
            left = left_after(family, deadline_s=5)
        _end_all(left)
        assert left == []


@contextmanager
def _hanging_call(port: int) -> Generator[None]:
    with Wire(port) as wire:
        wire.send(tool_call("local__hang", {}, port=port))
        yield


def _end_all(processes: list[Process]) -> None:
    for process in processes:
        end(process)
