"""What a caller gets from a server that misbehaves, and that the server is back without a restart of the hub."""

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.trouble import (
    BIG_BYTES,
    http_server,
    repeated,
    slow_readers,
    stdio_server,
    swallow,
    switched_on,
)
from tests.tooling.hub_process import HubProcess, open_hub
from tests.tooling.ports import free_port
from tests.tooling.wire import Json, call_tool

pytestmark = pytest.mark.faults

HANG_S = 20.0
"""What is not over by then hangs."""
KILLS = 3


def code_of(answer: Json) -> str | None:
    """The hub's code of a failed call, or None for a good one."""
    result = answer["result"]
    if not result.get("isError"):
        return None
    code: str = result["_meta"]["hub/code"]
    return code


def text_of(answer: Json) -> str:
    text: str = answer["result"]["content"][0]["text"]
    return text


def echo(port: int, server: str = "faulty") -> Json:
    return call_tool(port, f"{server}__echo", {"text": "hello"}, timeout_s=8)


def wait_until(holds: Callable[[], bool], *, deadline_s: float = 5) -> None:
    ends_at = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < ends_at, f"not so within {deadline_s:g} s"
        time.sleep(0.02)


def wait_until_back(port: int, *, deadline_s: float) -> None:
    ends_at = time.monotonic() + deadline_s
    while code_of(answer := echo(port)) is not None:
        assert time.monotonic() < ends_at, f"not back within {deadline_s:g} s: {text_of(answer)}"
        time.sleep(0.05)
    assert text_of(answer) == "hello"


@contextmanager
def hub_with(folder: Path, faulty: Json) -> Generator[HubProcess]:
    with open_hub(folder, {"faulty": faulty, "sibling": stdio_server()}) as hub:
        yield hub
        assert hub.program.returncode is None, "the hub ended"
        assert "Traceback" not in hub.program.log.read_text(errors="replace")


def test_a_call_whose_server_is_killed_fails_within_a_second_and_the_server_comes_back(tmp_path: Path) -> None:
    with hub_with(tmp_path, stdio_server()) as hub:
        took_s: list[float] = []
        for kill in range(KILLS):
            pid = int(text_of(call_tool(hub.port, "faulty__pid")))
            marks = [tmp_path / f"mark{kill}.{number}" for number in range(3)]
            took_s.append(kill_while_called(hub.port, pid, marks))
            wait_until_back(hub.port, deadline_s=5)
            assert int(text_of(call_tool(hub.port, "faulty__pid"))) != pid
        assert min(took_s) < 1, "the best of them: a busy machine may keep any one waiting"


def kill_while_called(port: int, pid: int, marks: Sequence[Path]) -> float:
    """Kill a server that is in a call for each mark; the seconds until the last of the calls has failed."""
    answers: list[tuple[float, Json]] = []

    def hang(mark: Path) -> None:
        answer = call_tool(port, "faulty__hang", {"mark": str(mark)})
        answers.append((time.monotonic(), answer))

    callers = [threading.Thread(target=hang, args=(mark,)) for mark in marks]
    for caller in callers:
        caller.start()
    sibling = call_tool(port, "sibling__echo", {"text": "I am fine"})
    wait_until(lambda: all(mark.exists() for mark in marks))
    killed_at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    for caller in callers:
        caller.join()
    assert [code_of(answer) for _, answer in answers] == ["unavailable"] * len(marks)
    assert text_of(sibling) == "I am fine"
    return max(answered_at for answered_at, _ in answers) - killed_at


def test_a_server_that_refuses_connections_is_unavailable_until_it_is_there_again(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        with http_server(tmp_path, "faulty", port) as entry:
            hub = stack.enter_context(hub_with(tmp_path, entry))
            assert text_of(echo(hub.port)) == "hello"
        refused = echo(hub.port)
        assert code_of(refused) == "unavailable"
        assert "faulty" in text_of(refused)
        stack.enter_context(http_server(tmp_path, "faulty", port))
        wait_until_back(hub.port, deadline_s=15)


def test_a_call_that_hangs_ends_with_its_timeout(tmp_path: Path) -> None:
    with hub_with(tmp_path, {**stdio_server(), "timeout_s": 3}) as hub:
        assert text_of(echo(hub.port)) == "hello"
        started_at = time.monotonic()
        assert code_of(call_tool(hub.port, "faulty__hang", timeout_s=HANG_S)) == "timeout"
        assert 2.9 < time.monotonic() - started_at < HANG_S
        assert text_of(echo(hub.port)) == "hello"


def test_a_call_that_hangs_over_http_ends_with_its_timeout(tmp_path: Path) -> None:
    with http_server(tmp_path, "faulty") as entry, hub_with(tmp_path, {**entry, "timeout_s": 3}) as hub:
        assert text_of(echo(hub.port)) == "hello"
        started_at = time.monotonic()
        assert code_of(call_tool(hub.port, "faulty__hang", timeout_s=HANG_S)) == "timeout"
        assert 2.9 < time.monotonic() - started_at < HANG_S
        assert text_of(echo(hub.port)) == "hello"


def test_a_server_in_a_crash_loop_is_unavailable_at_once_and_comes_back_when_it_has_ended(tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    with hub_with(tmp_path, stdio_server("crash-loop", switch)) as hub:
        with switched_on(switch):
            ends_at = time.monotonic() + 10
            while code_of(answer := echo(hub.port)) != "unavailable":
                assert time.monotonic() < ends_at
            assert "faulty" in text_of(answer)
            assert text_of(echo(hub.port, "sibling")) == "hello"
        wait_until_back(hub.port, deadline_s=20)


def test_garbage_on_stdout_loses_no_answer(tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    with hub_with(tmp_path, stdio_server("garbage", switch)) as hub, switched_on(switch):
        for number in range(50):
            assert text_of(call_tool(hub.port, "faulty__echo", {"text": f"n{number}"})) == f"n{number}"


@pytest.mark.parametrize("tool_name", ["nonsense", "reset", "cut_short"])
def test_an_http_answer_that_is_none_makes_the_call_unavailable(tool_name: str, tmp_path: Path) -> None:
    with http_server(tmp_path, "faulty") as entry, hub_with(tmp_path, entry) as hub:
        answer = call_tool(hub.port, f"faulty__{tool_name}")
        assert code_of(answer) == "unavailable"
        assert "faulty" in text_of(answer)
        wait_until_back(hub.port, deadline_s=5)


def servers(folder: Path, kind: str, stack: ExitStack) -> Json:
    return stdio_server() if kind == "stdio" else stack.enter_context(http_server(folder, "faulty"))


@pytest.mark.parametrize("kind", ["stdio", "HTTP"])
def test_a_result_of_50_mb_arrives_whole(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        hub = stack.enter_context(hub_with(tmp_path, servers(tmp_path, kind, stack)))
        answer = call_tool(hub.port, "faulty__big", {"bytes": BIG_BYTES}, timeout_s=30)
        assert text_of(answer) == "x" * BIG_BYTES


@pytest.mark.parametrize("kind", ["stdio", "HTTP"])
def test_a_result_over_the_servers_limit_fails_alone(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        entry = servers(tmp_path, kind, stack)
        hub = stack.enter_context(hub_with(tmp_path, {**entry, "max_message_bytes": 2**20}))
        answer = call_tool(hub.port, "faulty__big", {"bytes": 2**21}, timeout_s=30)
        assert code_of(answer) == "too_large"
        wait_until_back(hub.port, deadline_s=5)


@pytest.mark.parametrize("kind", ["stdio", "HTTP"])
def test_callers_that_do_not_read_their_answers_keep_nobody_waiting(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        hub = stack.enter_context(hub_with(tmp_path, servers(tmp_path, kind, stack)))
        with slow_readers(hub.port, "faulty__big", count=8):
            for _ in range(20):
                assert text_of(echo(hub.port, "sibling")) == "hello"
                assert text_of(echo(hub.port)) == "hello"
        assert swallow(hub.port, "faulty__big", {"bytes": 2**23}) > 2**23


def test_a_flood_on_stderr_fills_no_disk_and_loses_no_answer(tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    with hub_with(tmp_path, stdio_server("stderr", switch)) as hub, switched_on(switch):
        ends_at = time.monotonic() + 3
        while time.monotonic() < ends_at:
            assert text_of(echo(hub.port)) == "hello"
        logs = [path for path in hub.state.rglob("*.log*") if path.name.startswith("faulty")]
        assert logs, "the server's stderr is kept nowhere"
        assert sum(path.stat().st_size for path in logs) < 4 * 2**20


def test_many_callers_of_a_hanging_server_leave_the_others_their_turn(tmp_path: Path) -> None:
    def hang(port: int) -> Any:
        return call_tool(port, "faulty__hang", timeout_s=1)

    with hub_with(tmp_path, {**stdio_server(), "concurrency": 4}) as hub:
        with repeated(lambda: hang(hub.port), threads=32):
            for _ in range(50):
                assert text_of(echo(hub.port, "sibling")) == "hello"
        wait_until_back(hub.port, deadline_s=5)
