"""One server program and its pipes, on both event loops."""

import contextlib
import logging
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hub.upstream.child_process import ChildProcess, Program, open_process
from hub.upstream.guarding import GroupGuard
from hub.upstream.stderr_log import StderrLog

FLOOD = "import os\nwhile True: os.write(1, b'x' * 65536)"
LAST_WORDS = "import sys\nfor n in range(200): print(n, file=sys.stderr, flush=True)\nprint('last', file=sys.stderr)"
TURNS_UNTIL_PAUSED = 5
MOST_READ_BEFORE = 32
LOGGER = logging.getLogger(__name__)


@asynccontextmanager
async def running(
    code: str, on_output: Callable[[bytes], None], path: Path | None = None
) -> AsyncGenerator[ChildProcess]:
    program = Program(argv=(sys.executable, "-c", code), env={"PATH": os.environ["PATH"]}, cwd=None)
    async with contextlib.aclosing(GroupGuard()) as guard:
        with contextlib.closing(StderrLog(path, LOGGER)) as log:
            async with open_process(program, guard=guard, on_output=on_output, log=log, logger=LOGGER) as child:
                yield child


def run_on(is_uvloop: bool, work: Callable[[], Awaitable[None]]) -> None:
    anyio.run(work, backend_options={"use_uvloop": is_uvloop})


@pytest.mark.parametrize("is_uvloop", [True, False])
def test_a_paused_output_brings_nothing_until_the_pause_is_over(is_uvloop: bool) -> None:
    async def work() -> None:
        seen: list[int] = []
        began = anyio.Event()
        started: list[ChildProcess] = []

        def take(data: bytes) -> None:
            seen.append(len(data))
            began.set()
            started[0].pause_output(60)

        async with running(FLOOD, take) as child:
            started.append(child)
            with anyio.fail_after(30):
                await began.wait()
            # uvloop reads on while its buffer is filled, asyncio while it hands over
            for _ in range(TURNS_UNTIL_PAUSED):
                await anyio.lowlevel.checkpoint()
            before = len(seen)
            assert before <= MOST_READ_BEFORE
            for _ in range(100):  # turns of the loop, each of which would bring more
                await anyio.sleep(0.001)
            assert len(seen) == before

    run_on(is_uvloop, work)


@pytest.mark.parametrize("is_uvloop", [True, False])
def test_what_a_program_writes_last_is_in_its_log(is_uvloop: bool, tmp_path: Path) -> None:
    path = tmp_path / "server.log"

    async def work() -> None:
        async with running(LAST_WORDS, lambda _: None, path) as child:
            with anyio.fail_after(30):
                await child.exited.wait()

    run_on(is_uvloop, work)
    assert path.read_text().splitlines()[-2:] == ["199", "last"]
