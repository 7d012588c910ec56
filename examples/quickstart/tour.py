"""`make demo`: start the hub with four servers behind it, use each of them, show how clients join, and serve.

`ONCE=1` ends after the tour; the exit status tells whether everything answered as it should. QUICKSTART_PORT,
QUICKSTART_STATE and QUICKSTART_ENVS say where else than usual it serves, keeps its notes and makes environments.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
from anyio import to_thread
from mcp import Client, MCPError
from mcp.types import CallToolResult, TextContent

from examples.quickstart.environments import EnvironmentNotMadeError, make_environments
from examples.quickstart.feed import open_feed
from examples.quickstart.hub_process import HubFailedError, RunningHub, open_hub_process
from examples.quickstart.research import ResearchFailedError, show_research
from examples.quickstart.snippets import client_snippets

CHECKOUT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).resolve().with_name("hub.yaml")
ENVIRONMENTS = Path(os.environ.get("QUICKSTART_ENVS") or CHECKOUT / ".cache" / "envs")
STATE = Path(os.environ.get("QUICKSTART_STATE") or CHECKOUT / ".cache" / "quickstart")
PORT = int(os.environ.get("QUICKSTART_PORT") or 8080)
EXPECTED_TOOLS = {"git": 12, "notes": 8, "papers": 2, "time": 2}


class WrongAnswerError(Exception):
    """A server answered, but not what it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where one run keeps what it makes."""

    state: Path
    port: int
    variables: dict[str, str]


@contextmanager
def open_stage(*, once: bool) -> Generator[Stage]:
    """A throw-away stage for one tour; else a lasting one at the usual places, where `hub` commands find the hub."""
    common = {"QUICKSTART_ENVS": str(ENVIRONMENTS), "QUICKSTART_PYTHON": sys.executable}
    if not once:
        STATE.mkdir(parents=True, exist_ok=True)
        notes = {"QUICKSTART_NOTES": str(STATE / "notes.db")}
        yield Stage(state=STATE, port=PORT if _is_free(PORT) else 0, variables=common | notes)
        return
    with tempfile.TemporaryDirectory(prefix="quickstart-") as folder:
        state = Path(folder)
        own = {"QUICKSTART_NOTES": str(state / "notes.db"), "XDG_STATE_HOME": str(state / "state")}
        yield Stage(state=state, port=0, variables=common | own)


async def take_tour(hub: RunningHub) -> None:
    """Use each server once, as any MCP client would, and check what it answers.

    Raises:
        WrongAnswerError: one of them is not as it should be.
        HubFailedError: the connection did not hold.
    """
    problem: WrongAnswerError | None = None
    try:
        async with Client(hub.url) as client:
            say("")
            say(f"Connected to {hub.url}, protocol {client.protocol_version}.")
            try:
                for show in (show_tools, show_log, show_time, show_note, show_paper):
                    await show(client)
            except WrongAnswerError as error:
                problem = error  # raised outside the client, whose tasks would wrap it in a group
    except* (MCPError, httpx2.HTTPError) as errors:
        raise hub.failure(f"a client could not go on ({errors.exceptions[0]!r})") from errors
    if problem is not None:
        raise problem
    say("")
    say("Every server answered as it should.")


async def show_tools(client: Client) -> None:
    by_server: defaultdict[str, list[str]] = defaultdict(list)
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            server, _, name = tool.name.partition("__")
            by_server[server].append(name)
        cursor = page.next_cursor
        if cursor is None:
            break
    heading("The tools, by server")
    for server, names in sorted(by_server.items()):
        say(f"{server}: {', '.join(sorted(names))}")
    found = {server: len(names) for server, names in sorted(by_server.items())}
    check(found == EXPECTED_TOOLS, f"expected {EXPECTED_TOOLS} tools, found {found}")


async def show_log(client: Client) -> None:
    heading("git: the last commits of this checkout")
    head = await to_thread.run_sync(_head)
    answer = text_of(await call(client, "git__git_log", {"repo_path": str(CHECKOUT), "max_count": 3}))
    say(answer.strip())
    check(head in answer, f"expected the commit {head} in the log")


async def show_time(client: Client) -> None:
    heading("time: now")
    answer = values_of(await call(client, "time__get_current_time", {"timezone": "UTC"}))
    say(f"{answer['datetime']} ({answer['day_of_week']}, {answer['timezone']})")
    told = datetime.fromisoformat(answer["datetime"])
    check(abs(datetime.now(UTC) - told) < timedelta(minutes=5), f"expected the time of now, found {told}")


async def show_note(client: Client) -> None:
    heading("notes: one written, found and read back")
    text = "The hub relays every server behind one endpoint."
    note = {"title": "Quickstart", "body": text, "tags": ["tour"]}
    written = values_of(await call(client, "notes__add_note", note))
    found = values_of(await call(client, "notes__search_notes", {"query": "relay endpoint", "tag": "tour"}))
    read = values_of(await call(client, "notes__get_note", {"id": written["id"]}))
    say(f"note {read['id']}, {read['title']!r}: {read['body']}")
    check(read == written and read["body"] == text, f"expected the note as it was written, found {read}")
    hits = [hit["id"] for hit in found["notes"]]
    check(written["id"] in hits, f"expected note {written['id']} among the hits, found {hits}")


async def show_paper(client: Client) -> None:
    heading("papers: one found and read (the feed is local, its papers are invented)")
    found = values_of(await call(client, "papers__search_papers", {"query": "agents process"}))
    ids = [paper["id"] for paper in found["papers"]]
    check(ids == ["9901.00002v2"], f"expected the paper 9901.00002v2, found {ids}")
    paper = values_of(await call(client, "papers__read_paper", {"id": ids[0]}))
    say(f"{paper['id']}: {paper['title']}")
    say(paper["abstract"])
    check(paper["title"] == "Agents that survive the end of their process", f"found another title: {paper['title']}")


async def call(client: Client, name: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call one tool; a refusal is a wrong answer."""
    try:
        result = await client.call_tool(name, arguments)
    except MCPError as error:
        raise WrongAnswerError(f"{name} failed: {error}") from error
    check(not result.is_error, f"{name} failed: {text_of(result)}")
    return result


def text_of(result: CallToolResult) -> str:
    return "\n".join(content.text for content in result.content if isinstance(content, TextContent))


def values_of(result: CallToolResult) -> dict[str, Any]:
    """The structured content, an object in each of these tools."""
    check(isinstance(result.structured_content, dict), f"expected structured content, found {result.content}")
    return cast("dict[str, Any]", result.structured_content)


def check(holds: bool, problem: str) -> None:
    if not holds:
        raise WrongAnswerError(problem)


def heading(text: str) -> None:
    say("")
    say(f"── {text}")


def say(text: str) -> None:
    print(text, flush=True)


async def run(*, once: bool) -> int:
    """Prepare, start, tour, serve. Everything that was started is stopped, whatever happens."""
    try:
        say("Preparing the servers from the package index.")
        await to_thread.run_sync(make_environments, ENVIRONMENTS, say)
        with open_stage(once=once) as stage, open_feed() as papers_url:
            variables = {**stage.variables, "QUICKSTART_PAPERS": papers_url, "QUICKSTART_PAPERS_INTERVAL": "0"}
            say("Starting the hub.")
            log = stage.state / "hub.log"
            async with open_hub_process(CONFIG, port=stage.port, log=log, variables=variables) as hub:
                await hub.wait_until_ready()
                await take_tour(hub)
                heading("two durable agents: killed in the middle, they go on")
                await show_research(say)
                heading("Join with a client of yours")
                say(f"The endpoint: {hub.url}")
                say("")
                say(client_snippets(hub.url, CONFIG))
                if once:
                    return 0
                say("")
                say("Serving until Ctrl-C.")
                await hub.wait_for_end()
                return 1
    except (EnvironmentNotMadeError, HubFailedError, ResearchFailedError, WrongAnswerError) as error:
        say("")
        say(f"The quickstart failed: {error}")
        return 1


async def run_until_signal(*, once: bool) -> int:
    """The same, ended in order by SIGINT or SIGTERM."""
    status = 1
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:

            async def stop_on_signal() -> None:
                nonlocal status
                async for received in signals:
                    say("\nStopping.")
                    status = 0 if received == signal.SIGINT and not once else 128 + received
                    tasks.cancel_scope.cancel()
                    return

            tasks.start_soon(stop_on_signal)
            status = await run(once=once)
            tasks.cancel_scope.cancel()
    return status


def _head() -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def main() -> None:
    sys.exit(anyio.run(lambda: run_until_signal(once=os.environ.get("ONCE", "") not in ("", "0"))))


if __name__ == "__main__":
    main()
