"""An agent that does nothing holds nothing: no thread, no connection, no process; what it used is closed in a while."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hub import DurableAgent, MCPToolProvider
from hub.agents.belongings import Belongings
from hub.agents.house import House
from hub.agents.kept import Kept
from hub.upstream import Links, open_links
from hub.workflows import DaprAddress, open_connection
from tests.tooling.proc import descendants, left_after


class Shelf:
    """What is kept: it knows how often it was opened and closed."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = anyio.Event()
        self.fails_at_opening = self.fails_at_closing = False

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[int]:
        if self.fails_at_opening:
            raise ConnectionError("not there")
        self.opened += 1
        self.closed = anyio.Event()
        try:
            yield self.opened
            if self.fails_at_closing:
                raise ConnectionError("gone already")
        finally:
            self.closed.set()


async def test_what_nobody_has_used_for_a_while_is_closed_and_opened_again() -> None:
    shelf = Shelf()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            kept = Kept("shelf", shelf.open, group=group, idle_s=0.02)
            for time in (1, 2):
                async with kept.use() as value:
                    assert value == time
                await shelf.closed.wait()
                assert not kept.is_open


async def test_what_is_in_use_stays_open_while_others_are_closed() -> None:
    busy_shelf, idle_shelf = Shelf(), Shelf()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            busy = Kept("busy", busy_shelf.open, group=group, idle_s=0.01)
            idle = Kept("idle", idle_shelf.open, group=group, idle_s=0.05)
            async with busy.use():
                async with idle.use():
                    pass
                await idle_shelf.closed.wait()
                assert busy.is_open
                async with busy.use() as again:
                    assert again == 1
                assert busy.is_open
            await busy_shelf.closed.wait()


async def test_closing_waits_for_those_who_use_it_if_it_is_told_to() -> None:
    shelf, done = Shelf(), list[str]()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            kept = Kept("shelf", shelf.open, group=group, idle_s=3600)

            async def close() -> None:
                await kept.close_unused()
                done.append("closed")

            async with kept.use():
                group.start_soon(close)
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
                assert not done
                done.append("used")
            await shelf.closed.wait()
        assert done == ["used", "closed"]


async def test_an_error_at_opening_is_told_and_the_next_use_tries_again() -> None:
    shelf = Shelf()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            kept = Kept("shelf", shelf.open, group=group, idle_s=3600)
            shelf.fails_at_opening = True
            with pytest.raises(ConnectionError, match="not there"):
                async with kept.use():
                    raise AssertionError("it was opened")
            shelf.fails_at_opening = False
            async with kept.use() as value:
                assert value == 1
            await kept.close()
            assert shelf.closed.is_set()


async def test_an_error_at_closing_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    shelf.fails_at_closing = True
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            kept = Kept("agent a: shelf", shelf.open, group=group, idle_s=0.02)
            async with kept.use():
                pass
            await shelf.closed.wait()
            async with kept.use() as value:
                assert value == 2
            await kept.close()
    assert "agent a: shelf did not end well" in caplog.text


async def test_a_server_that_an_agent_has_not_used_for_a_while_is_ended(
    dapr: DaprAddress, tmp_path: Path, one_event_loop: None
) -> None:
    command = {"command": sys.executable, "args": ["-m", "mcp_servers.notes", "--db", str(tmp_path / "notes.db")]}
    agent = DurableAgent(name="keeper", tools=[MCPToolProvider(command, name="notes")])
    with anyio.fail_after(60):
        async with (
            open_connection(dapr) as connection,
            open_links(base_env=os.environ, seal_key=b"k" * 32, version="1") as links,
            anyio.create_task_group() as group,
        ):

            async def the_links() -> Links:
                return links

            house = House(dapr=connection, state_store="statestore", links=the_links, idle_s=0.05)
            belongings = Belongings(agent, house, group)
            for _ in range(2):
                async with belongings.provider(0) as (_, provider):
                    assert len(await provider.list("tools")) > 1
                    servers = [each for each in descendants(os.getpid()) if "mcp_servers.notes" in each.command]
                    assert servers
                assert await anyio.to_thread.run_sync(lambda gone=servers: left_after(gone, deadline_s=20)) == []
                assert belongings.open_count == 0


PROGRAM = """
import anyio, json, os, sys
from pathlib import Path
from hub import AgentRunner, DurableAgent, MCPToolProvider, memory, tool
from tests.tooling.proc import descendants, open_descriptors

@tool
def find(title: str) -> str:
    return title

KINDS = [
    dict(tools=[find]),
    dict(tools=[MCPToolProvider("http://127.0.0.1:9/mcp", name="away")], memory=memory.InMemory()),
    dict(tools=[MCPToolProvider({"command": "no-such-program"}, name="none")], memory=memory.DaprState()),
    dict(memory=memory.PostgreSQL(connection_string="postgresql://nobody@127.0.0.1:9/none")),
]

async def held(count):
    agents = [DurableAgent(name=f"a{n}", model="offline", **KINDS[-1 - n % len(KINDS)]) for n in range(count)]
    async with AgentRunner(agents=agents, state_dir=sys.argv[1]) as runner:
        pointed = open_descriptors().values()
        return {
            "threads": len(list(Path("/proc/self/task").iterdir())),
            "sockets": sum(each.startswith("socket:") for each in pointed),
            "descriptors": len(pointed),
            "children": len(descendants(os.getpid())),
        }

async def main():
    await held(1)
    print(json.dumps([await held(1), await held(100)]))

anyio.run(main)
"""


def test_a_hundred_idle_agents_hold_no_more_than_one(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAPR_")}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "state")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    one, hundred = json.loads(told.stdout)
    assert hundred == one
