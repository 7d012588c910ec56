"""The faults: each a context manager in which it goes on, and the servers that have it.

Faulty servers and their callers run at the lowest priority: what they burn on a small machine is theirs, and only what
the hub does about it may be felt beside them.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.tooling.locks import CHECKOUT
from tests.tooling.ports import free_port
from tests.tooling.programs import open_program
from tests.tooling.wire import Json, Wire, WireError, call_tool, tool_call

FAULTY = CHECKOUT / "tests" / "fixtures" / "faulty"
BIG_BYTES = 50 * 2**20
BIG_PAUSE_S = 0.5
_NO_ANSWER = (OSError, WireError)
_LOWEST = 19
_AT_LOWEST = ["sh", "-c", f'echo {_LOWEST} 2>/dev/null >/proc/self/autogroup; exec nice -n {_LOWEST} "$@"', "lowest"]
"""Begins a command; Linux weighs sessions against each other first, then the processes of each."""


def stdio_server(fault: str = "", switch: Path | None = None) -> Json:
    """An entry of `servers:`."""
    arguments = ["-E", "-S", str(FAULTY / "stdio_server.py")]
    if fault:
        arguments += ["--fault", fault, "--switch", str(switch)]
    return {"command": sys.executable, "args": arguments}


def faulty_stdio_server(fault: str = "", switch: Path | None = None) -> Json:
    """Like `stdio_server`, at the lowest priority."""
    entry = stdio_server(fault, switch)
    return {"command": _AT_LOWEST[0], "args": [*_AT_LOWEST[1:], entry["command"], *entry["args"]]}


@contextmanager
def http_server(folder: Path, name: str, port: int | None = None, *, before: Sequence[str] = ()) -> Generator[Json]:
    """A running HTTP server, as an entry of `servers:`."""
    chosen = port or free_port()
    command = [sys.executable, "-E", "-S", FAULTY / "http_server.py", str(chosen)]
    with open_program([*before, *command], folder / f"{name}.log") as program:
        program.wait_for_port(chosen)
        yield {"url": f"http://127.0.0.1:{chosen}/mcp"}


def faulty_http_server(folder: Path, port: int | None = None) -> AbstractContextManager[Json]:
    """Like `http_server`, at the lowest priority."""
    return http_server(folder, "faulty", port, before=_AT_LOWEST)


@contextmanager
def repeated(action: Callable[[], None], *, threads: int = 1, pause_s: float = 0.0) -> Generator[None]:
    """Do something again and again beside the block; what the hub answers to it does not count here."""
    ended = threading.Event()

    def work() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        while not ended.is_set():
            with contextlib.suppress(*_NO_ANSWER):
                action()
            ended.wait(pause_s)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        ended.set()
        for worker in workers:
            worker.join()


@contextmanager
def switched_on(switch: Path) -> Generator[None]:
    switch.touch()
    try:
        yield
    finally:
        switch.unlink()


def swallow(port: int, tool_name: str, arguments: Json) -> int:
    """Call a tool and throw its answer away unread by Python; the bytes that came."""
    buffer = bytearray(2**20)
    raw = tool_call(tool_name, arguments, port=port).replace(b"\r\nHost", b"\r\nConnection: close\r\nHost", 1)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(raw)
        size = 0
        while part := connection.recv_into(buffer):
            size += part
    return size


def kill_in_a_call(port: int, tool_prefix: str) -> None:
    """Have the server killed while it works on a call."""
    answer = call_tool(port, f"{tool_prefix}pid", timeout_s=6)
    content = answer.get("result", {}).get("content")
    if not content or answer["result"].get("isError"):
        return
    with Wire(port) as wire:
        wire.send(tool_call(f"{tool_prefix}hang", {}, port=port))
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(content[0]["text"]), signal.SIGKILL)
        wire.receive()


@contextmanager
def slow_readers(port: int, tool_name: str, *, count: int) -> Generator[None]:
    """Callers that ask for a large answer and never read it."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.sendall(tool_call(tool_name, {"bytes": 8 * 2**20}, port=port))
        yield


Going = Callable[[int], AbstractContextManager[None]]
"""A hub's port -> the fault, for as long as the block lasts."""


@dataclass(slots=True, kw_only=True)
class Trouble:
    """A fault and the servers that it needs."""

    going: Going
    servers: dict[str, Json] = field(default_factory=dict[str, Json])


def _hang(port: int) -> None:
    call_tool(port, "faulty__hang", timeout_s=0.3)


def _echo(port: int, size: int = 5, timeout_s: float = 1.0) -> None:
    call_tool(port, "faulty__echo", {"text": "x" * size}, timeout_s=timeout_s)


@contextmanager
def hang_over_stdio(folder: Path) -> Generator[Trouble]:
    yield Trouble(
        going=lambda port: repeated(lambda: _hang(port), threads=8), servers={"faulty": faulty_stdio_server()}
    )


@contextmanager
def hang_over_http(folder: Path) -> Generator[Trouble]:
    with faulty_http_server(folder) as entry:
        yield Trouble(going=lambda port: repeated(lambda: _hang(port), threads=8), servers={"faulty": entry})


@contextmanager
def server_that_reads_nothing(folder: Path) -> Generator[Trouble]:
    switch = folder / "switch"

    @contextmanager
    def going(port: int) -> Generator[None]:
        with switched_on(switch), repeated(lambda: _echo(port, 100_000, 0.3), threads=4):
            yield

    yield Trouble(going=going, servers={"faulty": faulty_stdio_server("deaf", switch)})


@contextmanager
def killed_in_a_call(folder: Path) -> Generator[Trouble]:
    yield Trouble(
        going=lambda port: repeated(lambda: kill_in_a_call(port, "faulty__"), pause_s=0.05),
        servers={"faulty": faulty_stdio_server()},
    )


def _switched_stdio(fault: str) -> Callable[[Path], AbstractContextManager[Trouble]]:
    @contextmanager
    def opened(folder: Path) -> Generator[Trouble]:
        switch = folder / "switch"

        @contextmanager
        def going(port: int) -> Generator[None]:
            with switched_on(switch), repeated(lambda: _echo(port), pause_s=0.02):
                yield

        yield Trouble(going=going, servers={"faulty": faulty_stdio_server(fault, switch)})

    return opened


@contextmanager
def refused_connection(folder: Path) -> Generator[Trouble]:
    """The server is there at the start, and gone while the fault goes on."""
    port_of_server = free_port()
    with ExitStack() as stack:
        entry = stack.enter_context(faulty_http_server(folder, port_of_server))

        @contextmanager
        def going(port: int) -> Generator[None]:
            stack.close()
            with repeated(lambda: _echo(port), pause_s=0.02):
                yield
            stack.enter_context(faulty_http_server(folder, port_of_server))

        yield Trouble(going=going, servers={"faulty": entry})


@contextmanager
def nonsense_over_http(folder: Path) -> Generator[Trouble]:
    def nonsense(port: int) -> None:
        for tool_name in ("nonsense", "reset", "cut_short"):
            call_tool(port, f"faulty__{tool_name}", timeout_s=2)

    with faulty_http_server(folder) as entry:
        yield Trouble(going=lambda port: repeated(lambda: nonsense(port), pause_s=0.02), servers={"faulty": entry})


def _swallow_big(port: int) -> None:
    size = swallow(port, "faulty__big", {"bytes": BIG_BYTES})
    assert size > BIG_BYTES, f"{size} bytes came"


@contextmanager
def big_result_over_stdio(folder: Path) -> Generator[Trouble]:
    yield Trouble(
        going=lambda port: repeated(lambda: _swallow_big(port), pause_s=BIG_PAUSE_S),
        servers={"faulty": faulty_stdio_server()},
    )


@contextmanager
def big_result_over_http(folder: Path) -> Generator[Trouble]:
    with faulty_http_server(folder) as entry:
        yield Trouble(
            going=lambda port: repeated(lambda: _swallow_big(port), pause_s=BIG_PAUSE_S), servers={"faulty": entry}
        )


@contextmanager
def slow_reader_of_http(folder: Path) -> Generator[Trouble]:
    with faulty_http_server(folder) as entry:
        yield Trouble(going=lambda port: slow_readers(port, "faulty__big", count=4), servers={"faulty": entry})


@contextmanager
def slow_reader_of_stdio(folder: Path) -> Generator[Trouble]:
    yield Trouble(
        going=lambda port: slow_readers(port, "faulty__big", count=4), servers={"faulty": faulty_stdio_server()}
    )


TROUBLES: dict[str, Callable[[Path], AbstractContextManager[Trouble]]] = {
    "a hang over stdio": hang_over_stdio,
    "a hang over HTTP": hang_over_http,
    "a server that reads nothing": server_that_reads_nothing,
    "a server killed in calls": killed_in_a_call,
    "a crash loop": _switched_stdio("crash-loop"),
    "garbage on stdout": _switched_stdio("garbage"),
    "2,000 stderr lines a second": _switched_stdio("stderr"),
    "a refused connection": refused_connection,
    "nonsense over HTTP": nonsense_over_http,
    "50 MB results over stdio": big_result_over_stdio,
    "50 MB results over HTTP": big_result_over_http,
    "slow readers, HTTP": slow_reader_of_http,
    "slow readers, stdio": slow_reader_of_stdio,
}
