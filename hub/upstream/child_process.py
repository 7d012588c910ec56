"""One server program: its pipes, its group, its end."""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import anyio

from hub.errors import UpstreamDownError
from hub.upstream.guarding import GroupGuard
from hub.upstream.stderr_log import StderrLog

INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
STDIN_GRACE_S: Final = 2.0
TERM_GRACE_S: Final = 2.0
REST_GRACE_S: Final = 0.5
STDERR_PAUSE_S: Final = 0.05
LAST_WORDS_S: Final = 0.2
_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, with its whole environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None


class ChildProcess(asyncio.SubprocessProtocol):
    """The protocol object of one child: what it writes is pushed to `on_output` as it comes."""

    def __init__(self, on_output: Callable[[bytes], None], log: StderrLog) -> None:
        self._on_output = on_output
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._writable = anyio.Event()
        self._writable.set()
        self.exited = anyio.Event()
        self._output_ended = anyio.Event()
        self._errors_ended = anyio.Event()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self._on_output(data)
        else:
            self._log.write(data)
            # Reading in few large pieces: a flood of short lines must not wake the loop for each of them.
            self.pause_output(STDERR_PAUSE_S if len(data) < 32_768 else STDERR_PAUSE_S / 10, fd=2)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._writable.set()
        else:
            (self._output_ended if fd == 1 else self._errors_ended).set()

    def process_exited(self) -> None:
        self.exited.set()
        self._writable.set()
        for fd in (1, 2):  # what it wrote last is taken at once
            if pipe := self._pipe(fd):
                pipe.resume_reading()

    def pause_writing(self) -> None:
        self._writable = anyio.Event()

    def resume_writing(self) -> None:
        self._writable.set()

    # our side

    @property
    def group_id(self) -> int:
        return self._transport.get_pid() if self._transport is not None else 0

    async def send(self, data: bytes) -> None:
        """Write one message; waits while the child does not read, and is silent once it is gone."""
        while not self._writable.is_set():
            await self._writable.wait()
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(data)

    def pause_output(self, pause_s: float, *, fd: int = 1) -> None:
        """Take nothing from a pipe for a while.

        What the loop has read before it comes to this call is still handed over: at most 32 pieces, libuv's
        reads of one pipe in one turn.
        """
        pipe = self._pipe(fd)
        if pipe is not None and not self.exited.is_set():
            pipe.pause_reading()
            self._loop.call_later(pause_s, _resume, pipe)

    def _pipe(self, fd: int) -> asyncio.ReadTransport | None:
        if self._transport is None:
            return None
        # uvloop's pipes are no subclass of asyncio's, only alike
        pipe = cast("asyncio.ReadTransport | None", self._transport.get_pipe_transport(fd))
        return None if pipe is None or pipe.is_closing() else pipe

    async def wait_ended(self) -> None:
        """Wait until the child is gone and what it wrote before is read."""
        await self.exited.wait()
        with anyio.move_on_after(LAST_WORDS_S):
            await self._output_ended.wait()
            await self._errors_ended.wait()

    def describe_end(self) -> str:
        status = self._transport.get_returncode() if self._transport is not None else None
        if status is None:
            return "the server's process is being restarted"
        if status < 0:
            return f"the server's process was ended by signal {-status}"
        return f"the server's process ended with status {status}"

    async def end(self) -> None:
        """Close its input, then insist: SIGTERM and SIGKILL to the whole group.

        Source: MCP 2025-11-25, basic/lifecycle, shutdown over stdio.
        """
        if self._transport is None:
            return
        if self._stdin is not None:
            self._stdin.close()
        if not await self._gone_within(STDIN_GRACE_S):
            self._signal(signal.SIGTERM)
            if not await self._gone_within(TERM_GRACE_S):
                self._signal(signal.SIGKILL)
                await self._gone_within(TERM_GRACE_S)
        if self._signal(signal.SIGTERM):
            deadline = anyio.current_time() + REST_GRACE_S
            while self._signal(0) and anyio.current_time() < deadline:  # noqa: ASYNC110 - nothing else tells its end
                await anyio.sleep(0.02)
            self._signal(signal.SIGKILL)
        if self.exited.is_set():
            await self.wait_ended()
        self._transport.close()

    async def _gone_within(self, timeout_s: float) -> bool:
        with anyio.move_on_after(timeout_s):
            await self.exited.wait()
        return self.exited.is_set()

    def _signal(self, number: int) -> bool:
        """Signal the group; whether there still is one."""
        try:
            os.killpg(self.group_id, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            return not self.exited.is_set()
        return True


def _resume(pipe: asyncio.ReadTransport) -> None:
    if not pipe.is_closing():
        pipe.resume_reading()


@asynccontextmanager
async def open_process(
    program: Program, *, guard: GroupGuard, on_output: Callable[[bytes], None], log: StderrLog, logger: logging.Logger
) -> AsyncGenerator[ChildProcess]:
    """Start a program in a group of its own that cannot outlive the hub, and end it on the way out.

    Raises:
        UpstreamDownError: the program or its folder is not there.
    """
    _check(program)
    order = json.dumps({"argv": program.argv, "env": dict(program.env), "cwd": program.cwd}).encode()
    child = ChildProcess(on_output, log)
    await _spawn(child, logger)
    group_id = child.group_id
    try:
        await guard.enrol(group_id)
        await child.send(b"%d\n%b" % (len(order), order))
        yield child
    finally:
        with anyio.CancelScope(shield=True):
            await child.end()
        guard.dismiss(group_id)
        log.close()


async def _spawn(child: ChildProcess, logger: logging.Logger) -> None:
    with anyio.CancelScope(shield=True):
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: child, sys.executable, "-I", "-S", str(_LAUNCHER), env={}, start_new_session=True
            )
        except OSError as error:
            logger.warning("the launcher did not start: %s", error)
            raise UpstreamDownError("the operating system refused to start a process") from error


def _check(program: Program) -> None:
    """Find mistakes that a person can mend before a process is started.

    Raises:
        UpstreamDownError: what is missing, by the name under which it is configured.
    """
    if program.cwd is not None and not Path(program.cwd).is_dir():
        raise UpstreamDownError("its folder (`cwd`) does not exist; check `cwd`")
    command = program.argv[0]
    if "/" in command:
        path = Path(program.cwd or ".") / command
        found = path.is_file() and os.access(path, os.X_OK)
    else:
        found = shutil.which(command, path=program.env.get("PATH", os.defpath)) is not None
    if not found:
        raise UpstreamDownError(f"its program {Path(command).name!r} was not found or may not be run; check `command`")
