"""The article's own code runs as written: only the names that it imports from are the project's."""

import ast
import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import anyio
import pytest

from hub import AgentRunner, DurableAgent, memory
from hub.workflows import DaprAddress
from tests.agentic.test_memory import postgresql
from tests.tooling.locks import CHECKOUT
from tests.tooling.ports import free_port
from tests.tooling.programs import open_program

__all__ = ["postgresql"]

ARTICLE = CHECKOUT.parent / "shared" / "seed.txt"
NAMES = {"dapr_agents.interop": "adapters", "dapr_agents": "hub"}
RunnerOf = Callable[..., AgentRunner]

pytestmark = pytest.mark.skipif(
    not ARTICLE.is_file(), reason="the article (../shared/seed.txt) does not lie beside the checkout"
)


def block(beginning: str) -> str:
    """The article's block of code that begins with this line: it ends before the next prose or another language."""
    lines = ARTICLE.read_text(encoding="utf-8").splitlines()
    first = next(n for n, line in enumerate(lines) if line == beginning)
    best = ""
    for last in range(first + 1, len(lines) + 1):
        text = "\n".join(lines[first:last])
        try:
            ast.parse(text)
            compile(text, "article", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError:
            continue
        best = text
        if last < len(lines) and re.match(r"[A-Z][^=(]* [a-z]+ [a-z]+", lines[last]):
            break
    for theirs, ours in NAMES.items():
        best = re.sub(rf"^from {re.escape(theirs)} import", f"from {ours} import", best, flags=re.MULTILINE)
    return best


async def run_block(source: str, frame: dict[str, Any]) -> dict[str, Any]:
    """Run a block with `await` at its top, in a frame of names that the article leaves out."""
    code: CodeType = compile(source, "article", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(code, frame)
    if inspect.isawaitable(outcome):
        await outcome
    return frame


def frame(**names: Any) -> dict[str, Any]:
    return {"__name__": "article", **names}


class Arxiv:
    """Stands for the article's `arxiv_client`."""

    def search(self, query: str) -> list[dict[str, str]]:
        return [{"title": f"On {query}"}]


RESEARCH = "from dapr_agents import DurableAgent, tool"


async def test_the_research_agent_runs(runner_of: RunnerOf) -> None:
    names = await run_block(block(RESEARCH), frame(arxiv_client=Arxiv()))
    agent = names["ResearchAgent"]()
    async with runner_of(agent, model="offline") as runner:
        assert await agent.research("quantum computing") == '[{"title": "On quantum computing"}]'
        run = (await runner.runs.list(workflow="research_agent.research", limit=1))[0]
        steps = [each.name for each in await runner.runs.history(run.run_id) if each.kind == "taskScheduled"]
    assert steps == ["research_agent.search_arxiv", "hub.agents.model"]


async def test_agents_meet_by_an_event(runner_of: RunnerOf) -> None:
    drafted: list[str] = []
    done = anyio.Event()

    class WriterAgent(DurableAgent):
        async def draft_article(self, findings: str) -> str:
            if not drafted:
                drafted.append(findings)
                done.set()
            return f"An article on {findings}"

    agent_a, writer_agent = DurableAgent(name="agent_a"), WriterAgent()
    runner = runner_of(writer_agent, model="offline")
    names = frame(runner=runner, writer_agent=writer_agent, agent_a=agent_a, summary="qubits")
    async with runner_of(agent_a, model="offline"):
        await run_block(block("from dapr_agents import AgentRunner"), names)
    async with runner:
        with anyio.fail_after(20):
            await done.wait()
    assert drafted == ["qubits"]


async def test_both_memories_are_made(runner_of: RunnerOf, postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_CONN", postgresql)
    names = await run_block(block(RESEARCH), frame(arxiv_client=Arxiv()))
    names = await run_block(
        block("from dapr_agents import memory"), frame(os=os, **{k: names[k] for k in ["ResearchAgent"]})
    )
    assert isinstance(names["agent"].memory, memory.PostgreSQL)
    assert "postgres" not in repr(names["agent"].memory).removeprefix("PostgreSQL(")


async def test_an_mcp_servers_tools_come_by_its_address(runner_of: RunnerOf, tmp_path: Path) -> None:
    port = free_port()
    source = block("from dapr_agents import MCPToolProvider").replace("mcp-server:8080", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "mcp_servers.notes", "--http", str(port), "--db", str(tmp_path / "notes.db")]
    with open_program(command, tmp_path / "notes.log", env=dict(os.environ), cwd=CHECKOUT):
        agent = (await run_block(source, frame(DurableAgent=DurableAgent)))["agent"]
        async with runner_of(agent, model="offline") as runner:
            run_id = await runner.start_run("Please list notes.")
            answer = await runner.runs.result(run_id, timeout_s=60)
    assert answer.startswith("list_notes: ")


GREETER = "from dapr_agents import DurableAgent, AgentRunner"


def test_the_greeter_serves_until_it_is_told_to_stop(dapr: DaprAddress, tmp_path: Path) -> None:
    program = tmp_path / "greeter.py"
    program.write_text(block(GREETER) + "\n")
    environment = {
        **os.environ,
        "DAPR_GRPC_PORT": str(dapr.grpc_port),
        "HUB_MODEL": "offline",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONPATH": str(CHECKOUT),
    }
    process = subprocess.Popen([sys.executable, str(program)], env=environment, cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        answer = asyncio.run(greeting(dapr))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (answer, process.returncode, errors) == ("Hello", 0, b"")


async def greeting(dapr: DaprAddress) -> Any:
    """What the greeter answers to somebody outside of its process."""
    from hub.workflows import Runs, open_connection

    async with open_connection(dapr) as connection:
        runs = Runs(connection)
        return await runs.result(await runs.start("greeter_agent.run", {"task": "Hello"}), timeout_s=60)
