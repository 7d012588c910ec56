"""Whole hub processes: the pipe, the bridge to a running hub, taking its place, and changes of the file."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.tooling.hubs import hub_environment, open_hub
from tests.tooling.ports import LOOPBACK, free_port

Mode = Literal["legacy", "2026-07-28"]
HUB = str(Path(sys.executable).with_name("hub"))
CHECKOUT = Path(__file__).resolve().parents[2]


def notes(folder: Path, **settings: object) -> dict[str, Any]:
    arguments = ["-m", "mcp_servers.notes", "--db", str(folder / "notes.db")]
    return {"command": sys.executable, "args": arguments, "cwd": str(CHECKOUT), **settings}


def write(file: Path, servers: dict[str, Any], **gateway: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"servers": servers, "gateway": gateway}))
    return file


@asynccontextmanager
async def on_a_pipe(folder: Path, mode: Mode) -> AsyncGenerator[Client, None]:
    """A client of `hub serve --stdio`, as Claude Desktop starts it."""
    parameters = StdioServerParameters(
        command=HUB, args=["serve", "--stdio", "-c", str(folder / "hub.yaml")], env=hub_environment(folder / "home")
    )
    with (folder / "pipe.log").open("a") as log:
        async with Client(stdio_client(parameters, errlog=log), mode=mode) as client:
            yield client


async def tools_of(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


def said(result: Any) -> str:
    block = result.content[0]
    assert isinstance(block, types.TextContent)
    return block.text


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_hub_serves_a_client_on_a_pipe(tmp_path: Path, mode: Mode) -> None:
    write(tmp_path / "hub.yaml", {"notes": notes(tmp_path)})
    with anyio.fail_after(60):
        async with on_a_pipe(tmp_path, mode) as client:
            assert "notes__add_note" in await tools_of(client)
            written = await client.call_tool("notes__add_note", {"title": "from a pipe"})
            assert written.structured_content is not None
            assert written.structured_content["title"] == "from a pipe"


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_pipe_beside_a_running_hub_bridges_to_it_and_takes_its_place(tmp_path: Path, mode: Mode) -> None:
    configuration = json.dumps({"servers": {"notes": notes(tmp_path)}})
    with anyio.fail_after(90):
        with open_hub(tmp_path, configuration) as hub:
            pids = processes_of(tmp_path)
            async with on_a_pipe(tmp_path, mode) as client:
                assert "notes__add_note" in await tools_of(client)
                assert processes_of(tmp_path) == pids, "the second process started servers of its own"
                os.kill(hub.program.pid, signal.SIGKILL)
                await until_answered(client)
                assert len(processes_of(tmp_path)) == 1


async def until_answered(client: Client) -> None:
    """Call until the process on the pipe has taken the lead; until then a call is answered as `unavailable`."""
    while True:
        result = await client.call_tool("notes__list_notes", {})
        if not result.is_error:
            return
        assert said(result).startswith("unavailable: ")


def processes_of(folder: Path) -> set[int]:
    """The servers that run on this test's database."""
    mark = str(folder / "notes.db").encode()
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in words and b"mcp_servers.notes" in words:
                found.add(int(entry.name))
    return found


async def test_a_change_of_the_file_keeps_what_did_not_change(tmp_path: Path) -> None:
    one, two = notes(tmp_path / "one"), notes(tmp_path / "two")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with anyio.fail_after(90), open_hub(tmp_path, json.dumps({"servers": {"one": one, "two": two}})) as hub:
        before = processes_of(tmp_path / "one")
        assert before
        changed = anyio.Event()

        async def on_message(message: Any) -> None:
            if isinstance(message, types.ToolListChangedNotification):
                changed.set()

        async with Client(hub.url, mode="legacy", message_handler=on_message) as client:
            assert {name.partition("__")[0] for name in await tools_of(client)} == {"one", "two"}
            write(tmp_path / "hub.yaml", {"one": one, "three": {**two, "tools": ["get_*"]}})
            while {name.partition("__")[0] for name in await tools_of(client)} != {"one", "three"}:
                changed = anyio.Event()
                with anyio.move_on_after(5):
                    await changed.wait()
            assert {name for name in await tools_of(client) if name.startswith("three")} == {"three__get_note"}
            assert processes_of(tmp_path / "one") == before


async def test_a_broken_change_leaves_the_hub_as_it_is_and_says_why(tmp_path: Path) -> None:
    with anyio.fail_after(60), open_hub(tmp_path, json.dumps({"servers": {"notes": notes(tmp_path)}})) as hub:
        (tmp_path / "hub.yaml").write_text("servers:\n  notes:\n    comand: nothing\n")
        async with Client(hub.url, mode="2026-07-28") as client:
            while "comand" not in hub.program.log.read_text():
                assert "notes__add_note" in await tools_of(client)
                await anyio.sleep(0.1)
            assert "notes__add_note" in await tools_of(client)
        assert "hub.yaml:3" in hub.program.log.read_text()


def serve(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [HUB, "serve", "-c", str(folder / "hub.yaml"), *arguments]
    environment = hub_environment(folder / "home")
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_another_address_without_a_token_is_refused_at_the_start(tmp_path: Path) -> None:
    write(tmp_path / "hub.yaml", {}, host="0.0.0.0", port=0)
    ended = serve(tmp_path)
    assert ended.returncode == 2
    assert "gateway.host: found '0.0.0.0', which others can reach, and no token" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_told_with_what_to_do(tmp_path: Path) -> None:
    with open_hub(tmp_path / "first", "servers: {}") as hub:
        port = hub.address.rpartition(":")[2]
        write(tmp_path / "hub.yaml", {})
        ended = serve(tmp_path, "--port", port)
    assert ended.returncode == 2
    assert f"can't listen on {LOOPBACK}:{port}: Address already in use; choose another port" in ended.stderr


def test_a_token_opens_the_door_on_every_address(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("sesame\n")
    write(tmp_path / "hub.yaml", {}, host="0.0.0.0", token_file=str(secret))
    port = free_port()
    command = [HUB, "serve", "-c", str(tmp_path / "hub.yaml"), "--port", str(port)]
    with subprocess.Popen(
        command, env=hub_environment(tmp_path / "home"), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            heard: list[str] = []
            while not any("serving" in line for line in heard):
                line = process.stderr.readline()
                assert line, "".join(heard)
                heard.append(line)
            running = json.loads(next((tmp_path / "home" / "state").rglob("running.json")).read_text())
            assert running["url"] == f"http://{LOOPBACK}:{port}/mcp"
            with pytest.raises(urllib.request.HTTPError) as refused:
                urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=10)
            assert refused.value.code == 401
            refused.value.close()
            wanted = urllib.request.Request(
                f"http://{LOOPBACK}:{port}/readyz", headers={"Authorization": "Bearer sesame"}
            )
            with urllib.request.urlopen(wanted, timeout=10) as answer:
                assert answer.status == 200
            assert "sesame" not in "".join(heard)
        finally:
            process.terminate()
            process.wait(20)


async def test_the_hub_ends_at_sigterm_with_its_servers_and_its_files(tmp_path: Path) -> None:
    with anyio.fail_after(60), open_hub(tmp_path, json.dumps({"servers": {"notes": notes(tmp_path)}})) as hub:
        servers = processes_of(tmp_path)
        async with Client(hub.url, mode="2026-07-28") as client:
            assert "notes__add_note" in await tools_of(client)
        os.kill(hub.program.pid, signal.SIGTERM)
        assert await anyio.to_thread.run_sync(hub.program.wait_for_end) == 0
        assert servers
        assert processes_of(tmp_path) == set()
        assert list((tmp_path / "home" / "state").rglob("running.json")) == []


async def test_an_unknown_tool_of_a_bridged_hub_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with anyio.fail_after(60), open_hub(tmp_path, json.dumps({"servers": {"notes": notes(tmp_path)}})):
        async with on_a_pipe(tmp_path, "2026-07-28") as client:
            with pytest.raises(MCPError, match=r"the nearest names are notes__add_note"):
                await client.call_tool("notes__add_nots", {})
