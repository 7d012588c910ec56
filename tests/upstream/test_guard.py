"""Nothing outlives the hub, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from hub.upstream import guard, launcher
from tests.tooling.locks import CHECKOUT
from tests.upstream.test_faults import is_alive, until_gone


@pytest.mark.crash
async def test_a_killed_hub_leaves_no_server_and_no_grandchild_behind(tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    program = CHECKOUT / "tests" / "upstream" / "programs" / "hub_holding_a_server.py"
    command = [sys.executable, str(program), str(note)]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with (
        anyio.fail_after(30),
        subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=CHECKOUT) as hub,  # noqa: ASYNC220 - it runs beside
    ):
        assert hub.stdout is not None
        pid = int(await anyio.to_thread.run_sync(hub.stdout.readline))
        grandchild = int(note.read_text())
        assert is_alive(pid)
        assert is_alive(grandchild)
        hub.kill()
        await until_gone(pid)
        await until_gone(grandchild)


def test_the_guard_ends_the_groups_that_were_not_struck_out() -> None:
    sleepers = [subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(2)]
    kept, struck = sleepers
    lines = f"+{kept.pid}\n+{struck.pid}\nnonsense\n+1\n-{struck.pid}\n"
    subprocess.run([sys.executable, "-I", "-S", guard.__file__], input=lines.encode(), check=True, timeout=10)
    assert kept.wait(10) == -signal.SIGTERM
    assert struck.poll() is None
    struck.kill()
    struck.wait(10)


def test_the_launcher_starts_nothing_when_the_hub_is_gone_before_it_said_what() -> None:
    command = [sys.executable, "-I", "-S", launcher.__file__]
    done = subprocess.run(command, input=b'100\n{"argv":', capture_output=True, check=True, timeout=10)
    assert (done.stdout, done.stderr) == (b"", b"")
