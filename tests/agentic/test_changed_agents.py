"""A changed `agents:` section is taken by the running hub; what did not change goes on."""

import os
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, types
from mcp.types import TextContent

from hub.agents import DurableAgent
from hub.agents.loading import load_agent
from hub.agents.settings import AgentSettings
from tests.tooling.hubs import RunningHub, open_hub
from tests.tooling.proc import Process, descendants

PROGRAM = """
import asyncio, sys
from pathlib import Path

from hub import DurableAgent, MCPToolProvider, tool

HERE = Path(__file__).parent


def notes(file):
    command = {"command": sys.executable, "args": ["-m", "mcp_servers.notes", "--db", str(HERE / file)]}
    return MCPToolProvider(command, name="notes")


class Patient(DurableAgent):
    model = "offline"
    tools = [notes("one.db")]

    @tool
    async def wait(self, name: str) -> str:
        with (HERE / "steps").open("a") as file:
            file.write(name + "\\n")
        while not (HERE / name).exists():
            await asyncio.sleep(0.02)
        return (HERE / name).read_text()

    async def work(self, name: str) -> str:
        await self.call_tool("list_notes")
        said = await self.wait(name)
        await self.call_tool("list_notes")
        return said


class Busy(Patient):
    tools = [notes("two.db")]


class Guest(DurableAgent):
    model = "offline"

    async def greet(self) -> str:
        return f"{self.name} is here"
"""


def section(**entries: str) -> str:
    return "agents:\n" + "".join(f'  {name}: {{python: "team.py:{value}"}}\n' for name, value in entries.items())


def told(result: types.CallToolResult) -> str:
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


def notes_of(hub: RunningHub, file: str) -> list[Process]:
    return [each for each in descendants(hub.program.pid) if each.command.endswith(file)]


class Watcher:
    """A client that hears of changed lists."""

    def __init__(self) -> None:
        self.changed = anyio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.changed.set()

    async def until_listed(self, client: Client, names: Collection[str]) -> None:
        with anyio.fail_after(30):
            while {each.name for each in (await client.list_tools()).tools} != set(names):
                self.changed = anyio.Event()
                with anyio.move_on_after(5):
                    await self.changed.wait()


async def test_a_changed_section_keeps_the_calls_and_connections_of_the_agents_that_did_not_change(
    tmp_path: Path,
) -> None:
    (tmp_path / "team.py").write_text(PROGRAM)
    results: dict[str, types.CallToolResult] = {}
    watcher, server = Watcher(), list[Process]()
    with anyio.fail_after(120), open_hub(tmp_path, section(one="Patient", two="Busy", gone="Guest")) as hub:
        async with Client(hub.url, mode="legacy", message_handler=watcher) as client:

            async def call(name: str) -> None:
                results[name] = await client.call_tool(f"{name}__work", {"name": name})

            async with anyio.create_task_group() as group:
                group.start_soon(call, "one")
                group.start_soon(call, "two")
                await until_written(tmp_path / "steps", 2)
                server = notes_of(hub, "one.db")
                assert len(server) == 1
                (tmp_path / "hub.yaml").write_text(
                    section(one="Patient", new="Guest") + '  two: {python: "team.py:Busy", hide: [two]}\n'
                )
                await watcher.until_listed(client, ["new", "new__greet", "one", "one__work", "two__work"])
                assert told(await client.call_tool("new__greet", {})) == "new is here"
                (tmp_path / "one").write_text("first")
                (tmp_path / "two").write_text("second")
            assert {name: told(result) for name, result in results.items()} == {"one": "first", "two": "second"}
            assert sorted((tmp_path / "steps").read_text().split()) == ["one", "two"], "a step ran twice"
            assert notes_of(hub, "one.db") == server, "the agent that did not change lost its server"


async def test_a_section_may_come_and_go_while_the_hub_runs(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(PROGRAM)
    watcher = Watcher()
    with anyio.fail_after(120), open_hub(tmp_path, "servers: {}\n") as hub:
        async with Client(hub.url, mode="legacy", message_handler=watcher) as client:
            await watcher.until_listed(client, [])
            (tmp_path / "hub.yaml").write_text(section(a="Guest"))
            os.kill(hub.program.pid, signal.SIGHUP)
            await watcher.until_listed(client, ["a", "a__greet"])
            assert told(await client.call_tool("a__greet", {})) == "a is here"
            (tmp_path / "hub.yaml").write_text("servers: {}\n")
            await watcher.until_listed(client, [])


async def test_an_entry_that_names_no_agent_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(PROGRAM)
    watcher = Watcher()
    with anyio.fail_after(120), open_hub(tmp_path, section(a="Guest")) as hub:
        async with Client(hub.url, mode="legacy", message_handler=watcher) as client:
            await watcher.until_listed(client, ["a", "a__greet"])
            (tmp_path / "hub.yaml").write_text(section(b="Nobody"))
            await until_written(tmp_path / "hub.log", 1, "was not applied: agents.b.python: team.py has no 'Nobody'")
            assert told(await client.call_tool("a__greet", {})) == "a is here"
            (tmp_path / "hub.yaml").write_text(section(c="Guest"))
            await watcher.until_listed(client, ["c", "c__greet"])


def test_an_entry_that_names_no_model_any_more_leaves_the_agent_its_own(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text('from hub import DurableAgent\nagent = DurableAgent(model="offline")\n')

    def load(model: str | None) -> DurableAgent:
        return load_agent("boss", AgentSettings(python="one.py:agent", model=model), tmp_path)

    assert [load(model).model for model in (None, "openai:gpt-5-mini", None)] == [
        "offline",
        "openai:gpt-5-mini",
        "offline",
    ]


async def until_written(file: Path, lines: int, mark: str = "") -> None:
    def found() -> int:
        return sum(mark in line for line in file.read_text().splitlines()) if file.exists() else 0

    with anyio.fail_after(30):
        while found() < lines:  # noqa: ASYNC110 - another process writes the file
            await anyio.sleep(0.02)
