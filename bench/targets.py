"""What stands to be measured: direct, the floor and the hub, each in front of the same echo server."""

import http.client
import json
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.floor import PREFIX
from bench.processes import free_port, process_tree, running
from bench.programs import BenchError, Programs

_ROOT = Path(__file__).resolve().parent.parent
_VERSION = "2026-07-28"

HUB = str(Path(sys.executable).with_name("hub"))
"""The command of the environment that this runs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that answers `tools/call`."""

    name: str
    url: str
    tool_name: str
    pid: int | None = None
    """Root of the process tree that is measured; None where there is none but the echo server."""
    first_answer_s: float | None = None
    """Seconds from the start of the program to its first answered call."""

    @property
    def pids(self) -> Sequence[int]:
        return process_tree(self.pid) if self.pid is not None else ()


@contextmanager
def open_echo(programs: Programs, folder: Path, *, tools: int = 2) -> Generator[str]:
    """The echo server over HTTP; gives its address."""
    port = free_port()
    command = [str(programs.echoup), "--port", str(port), "--tools", str(tools)]
    with running(command, log_path=folder / "echoup.log"):
        url = f"http://127.0.0.1:{port}/mcp"
        wait_for_answer(url, "echo", deadline_s=5)
        yield url


@contextmanager
def open_floor(upstream_url: str, folder: Path) -> Generator[Target]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    started_at = time.perf_counter()
    command = [sys.executable, "-m", "bench.floor", str(port), upstream_url]
    with running(command, log_path=folder / "floor.log", cwd=_ROOT) as program:
        wait_for_answer(url, f"{PREFIX}echo")
        first_answer_s = time.perf_counter() - started_at
        yield Target(name="floor", url=url, tool_name=f"{PREFIX}echo", pid=program.pid, first_answer_s=first_answer_s)


@contextmanager
def open_hub(folder: Path, server: Mapping[str, object], *, name: str = "hub") -> Generator[Target]:
    """The hub as a user starts it, with a configuration and a state folder of its own.

    Args:
        folder: where its hub.yaml, state and log go.
        server: the one entry of `servers:`, called `up`.
    """
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    config = home / "hub.yaml"
    config.write_text(json.dumps({"servers": {"up": server}}), encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    env = {"XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
    command = [HUB, "serve", "-c", str(config), "--port", str(port)]
    log_path = home / "hub.log"
    started_at = time.perf_counter()
    with running(command, log_path=log_path, env=env, cwd=_ROOT) as program:
        try:
            wait_for_answer(url, f"{PREFIX}echo")
        except BenchError as error:
            raise BenchError(f"{error}\n{log_path.read_text(errors='replace')[-2000:]}") from None
        first_answer_s = time.perf_counter() - started_at
        yield Target(name=name, url=url, tool_name=f"{PREFIX}echo", pid=program.pid, first_answer_s=first_answer_s)


@contextmanager
def open_targets(programs: Programs, folder: Path) -> Generator[tuple[Target, Target, Target]]:
    """Direct, floor and hub side by side in front of one echo server."""
    with ExitStack() as stack:
        echo_url = stack.enter_context(open_echo(programs, folder))
        floor = stack.enter_context(open_floor(echo_url, folder))
        hub = stack.enter_context(open_hub(folder, {"url": echo_url}))
        yield Target(name="direct", url=echo_url, tool_name="echo"), floor, hub


def wait_for_answer(url: str, tool_name: str, *, deadline_s: float = 30) -> None:
    """Call until a call is answered rightly.

    Raises:
        BenchError: it was not, within the deadline.
    """
    ends_at = time.monotonic() + deadline_s
    problem = "nothing listens"
    while time.monotonic() < ends_at:
        try:
            answer = call_tool(url, tool_name, "hello")
            if "hello" in answer:
                return
            problem = answer[:300]
        except (OSError, http.client.HTTPException) as error:
            problem = str(error)
        time.sleep(0.005)
    raise BenchError(f"{url} did not answer {tool_name} within {deadline_s:g} s: {problem}")


def call_tool(url: str, tool_name: str, text: str) -> str:
    """One modern `tools/call` on a connection of its own; the answer's text as it came."""
    host, _, path = url.removeprefix("http://").partition("/")
    meta = {
        "io.modelcontextprotocol/protocolVersion": _VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool_name, "arguments": {"text": text}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool_name,
    }
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("POST", f"/{path}", body, headers)
        return connection.getresponse().read().decode(errors="replace")
    finally:
        connection.close()


def upstream_counts(echo_url: str) -> dict[str, int]:
    """What the echo server was asked so far, by era and method."""
    connection = http.client.HTTPConnection(echo_url.removeprefix("http://").partition("/")[0], timeout=5)
    try:
        connection.request("GET", "/stats")
        counts: dict[str, int] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return {what: number for what, number in counts.items() if what != "tcp_connections"}
