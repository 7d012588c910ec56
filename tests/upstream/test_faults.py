"""Programs that misbehave: the caller is told at once, the server comes back, nothing is left behind."""

import json
import os
import signal
from pathlib import Path

import anyio
import pytest

from hub.errors import CallTimeoutError, TooLargeError, UpstreamDownError
from hub.upstream import Links, ServerSettings, UpstreamServer, open_upstream
from tests.tooling.ports import free_port
from tests.upstream.callers import Person
from tests.upstream.targets import odd, text_of, tool

pytestmark = pytest.mark.faults


async def until_ready(server: UpstreamServer) -> None:
    """Wait for the next time that the server is ready."""
    ready = anyio.Event()
    unwatch = server.watch(lambda _change: ready.set() if server.state.phase == "ready" else None)
    if server.state.phase != "ready":
        await ready.wait()
    unwatch()


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


async def until_gone(pid: int) -> None:
    while is_alive(pid):  # noqa: ASYNC110 - the end of a process that is not our child can only be polled for
        await anyio.sleep(0.02)


async def test_a_server_that_dies_in_a_call_is_told_and_comes_back(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            pid = int(text_of(await server.call(tool("pid"), Person())))
            errors: list[str] = []

            async def hang() -> None:
                with pytest.raises(UpstreamDownError) as caught:
                    await server.call(tool("hang"), Person())
                errors.append(str(caught.value))

            with anyio.fail_after(10):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(hang)
                    await anyio.wait_all_tasks_blocked()
                    os.kill(pid, signal.SIGKILL)
            assert errors == ["server odd: the server's process was ended by signal 9"]
            assert text_of(await server.call(tool("echo", text="back"), Person())) == "back"
            assert int(text_of(await server.call(tool("pid"), Person()))) != pid


async def test_a_server_that_ends_itself_in_a_call_is_told_with_its_status(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            with pytest.raises(UpstreamDownError, match=r"^server odd: the server's process ended with status 7$"):
                await server.call(tool("exit", status=7), Person())


async def test_calls_to_a_server_that_is_down_fail_at_once_and_say_since_when(links: Links) -> None:
    settings = ServerSettings(url=f"http://127.0.0.1:{free_port()}/mcp")
    with anyio.fail_after(20):
        async with open_upstream("gone", settings, links=links, log_path=None) as server:
            await server.settled()
            message = str(await failure(server))
            while message.endswith("next try in 1 s"):
                message = str(await failure(server))
            with anyio.fail_after(0.5):
                await failure(server)
    assert message.startswith("server gone is down since ")
    assert " UTC: it refuses connections; next try in " in message


async def failure(server: UpstreamServer) -> UpstreamDownError:
    with pytest.raises(UpstreamDownError) as caught:
        await server.call(tool("echo", text=""), Person())
    return caught.value


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (ServerSettings(command="no-such-program"), "its program 'no-such-program' was not found or may not be run"),
        (odd(cwd="/no/such/folder"), "its folder (`cwd`) does not exist; check `cwd`"),
        (ServerSettings(command="false"), "the server's process ended with status 1"),
        (
            ServerSettings(command="sleep", args=("60",), start_timeout_s=0.3),
            "it did not finish its start within 0.3 s",
        ),
        (odd("--version", "2031-01-01"), "it speaks protocol version '2031-01-01', which the hub does not"),
    ],
)
async def test_a_server_that_does_not_start_is_down_with_a_reason(
    links: Links, settings: ServerSettings, problem: str
) -> None:
    with anyio.fail_after(20):
        async with open_upstream("bad", settings, links=links, log_path=None) as server:
            await server.settled()
            assert server.state.phase == "down"
            assert problem in str(server.state.problem)
            assert "/" not in str(server.state.problem)


@pytest.mark.parametrize("flag", ["--silent-probe", "--noisy-probe", "--dies-at-probe"])
async def test_a_legacy_server_that_stumbles_over_the_probe_is_reached(links: Links, flag: str) -> None:
    with anyio.fail_after(30):
        async with open_upstream("odd", odd(flag), links=links, log_path=None) as server:
            await until_ready(server)
            assert server.state.era == "legacy"
            assert text_of(await server.call(tool("echo", text="hi"), Person())) == "hi"


async def test_garbage_on_the_output_is_logged_and_does_no_harm(links: Links, tmp_path: Path) -> None:
    log = tmp_path / "odd.log"
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=log) as server:
            await server.settled()
            assert text_of(await server.call(tool("noise"), Person())) == "after the noise"
            assert server.state.phase == "ready"
    assert b"[stdout] Traceback (most recent call last):" in log.read_bytes()


async def test_an_answer_over_the_limit_fails_its_own_call_only(links: Links) -> None:
    with anyio.fail_after(30):
        settings = odd(era="legacy", max_message_bytes=2**20)
        async with open_upstream("odd", settings, links=links, log_path=None) as server:
            await server.settled()
            pid = text_of(await server.call(tool("pid"), Person()))
            with pytest.raises(TooLargeError, match="max_message_bytes"):
                await server.call(tool("big", bytes=3 * 2**20), Person())
            assert len(text_of(await server.call(tool("big", bytes=2**19), Person()))) == 2**19
            assert text_of(await server.call(tool("pid"), Person())) == pid


async def test_a_large_answer_arrives_whole(links: Links) -> None:
    with anyio.fail_after(60):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            assert len(text_of(await server.call(tool("big", bytes=50 * 2**20), Person()))) == 50 * 2**20


async def test_a_flood_of_error_output_is_cut_short_in_the_log(links: Links, tmp_path: Path) -> None:
    log = tmp_path / "odd.log"
    with anyio.fail_after(60):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=log) as server:
            await server.settled()
            assert text_of(await server.call(tool("flood", lines=40_000), Person())) == "flooded"
            assert text_of(await server.call(tool("echo", text="on"), Person())) == "on"
    kept = log.read_bytes()
    assert len(kept) <= 2**20
    assert b"bytes left out" in kept


async def test_a_call_without_answer_or_progress_times_out_and_is_cancelled_at_the_server(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy", timeout_s=2), links=links, log_path=None) as server:
            await server.settled()
            with pytest.raises(CallTimeoutError, match=r"^server odd: no answer and no progress within 2 s$"):
                await server.call(tool("hang"), Person())
            assert text_of(await server.call(tool("wait_cancel"), Person())) == "cancelled 1"


async def test_the_time_that_a_person_takes_does_not_count(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy", timeout_s=2), links=links, log_path=None) as server:
            await server.settled()
            may_answer = anyio.Event()
            caller = Person(answer=lambda _method, _params: {"action": "decline"}, may_answer=may_answer)
            async with anyio.create_task_group() as tasks:

                async def ask() -> None:
                    assert text_of(await server.call(tool("ask"), caller)) == "decline"

                tasks.start_soon(ask)
                await caller.asked.wait()
                with anyio.move_on_after(2.5):
                    await anyio.sleep_forever()
                may_answer.set()


async def test_a_program_gets_its_own_environment_and_a_few_harmless_variables(links: Links) -> None:
    links.base_env.clear()
    links.base_env["PATH"] = "/usr/bin:/bin"
    with anyio.fail_after(20):
        settings = odd(era="legacy", env={"TOKEN": "t"})
        async with open_upstream("odd", settings, links=links, log_path=None) as server:
            await server.settled()
            found = json.loads(text_of(await server.call(tool("env"), Person())))
            found.pop("LC_CTYPE", None)  # Python itself sets it in the C locale
            assert found == {"PATH": "/usr/bin:/bin", "TOKEN": "t"}


async def test_a_program_that_ignores_its_end_is_killed_with_its_children(links: Links, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    with anyio.fail_after(30):
        settings = odd("--stubborn", "--grandchild", str(note), era="legacy")
        async with open_upstream("odd", settings, links=links, log_path=None) as server:
            await server.settled()
            pid = int(text_of(await server.call(tool("pid"), Person())))
            assert is_alive(int(note.read_text()))
        await until_gone(pid)
        await until_gone(int(note.read_text()))


async def test_calls_in_flight_get_a_grace_and_then_an_error(links: Links) -> None:
    errors: list[str] = []

    async def hang(server: UpstreamServer) -> None:
        with pytest.raises(UpstreamDownError) as caught:
            await server.call(tool("hang"), Person())
        errors.append(str(caught.value))

    with anyio.fail_after(20):
        async with (
            anyio.create_task_group() as tasks,
            open_upstream("odd", odd(era="legacy"), links=links, log_path=None, grace_s=0.2) as server,
        ):
            await server.settled()
            tasks.start_soon(hang, server)
            await anyio.wait_all_tasks_blocked()
    assert errors == ["server odd is being stopped"]


async def test_a_crash_loop_does_not_touch_a_neighbour(links: Links) -> None:
    with anyio.fail_after(30):
        async with (
            open_upstream("loop", ServerSettings(command="false"), links=links, log_path=None) as loop,
            open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server,
        ):
            await loop.settled()
            await server.settled()
            for number in range(50):
                assert text_of(await server.call(tool("echo", text=str(number)), Person())) == str(number)
            assert loop.state.phase in ("down", "starting")


async def test_calls_spread_over_several_processes(links: Links) -> None:
    with anyio.fail_after(30):
        async with open_upstream("odd", odd(era="legacy", sessions=2), links=links, log_path=None) as server:
            await server.settled()
            caller = Person(answer=lambda _method, _params: {"action": "cancel"}, may_answer=anyio.Event())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.call, tool("ask"), caller)
                await caller.asked.wait()
                free = {text_of(await server.call(tool("pid"), Person())) for _ in range(5)}
                assert len(free) == 1
                for _ in range(3):
                    tasks.start_soon(server.call, tool("hang"), Person())
                await anyio.wait_all_tasks_blocked()
                assert text_of(await server.call(tool("pid"), Person())) not in free
                tasks.cancel_scope.cancel()
