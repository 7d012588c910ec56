"""The stdio transport: one server program, one JSON message a line.

Source: MCP 2025-11-25 and 2026-07-28, basic/transports, stdio.
"""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from hub.errors import TooLargeError, UpstreamDownError
from hub.upstream.child_process import ChildProcess, Program, open_process
from hub.upstream.connection import Site
from hub.upstream.duplex import DuplexConnection, hold
from hub.upstream.lines import LineReader, Oversized
from hub.upstream.negotiation import negotiate
from hub.upstream.peer import Peer
from hub.upstream.stderr_log import StderrLog
from hub.upstream.task_scope import open_tasks, wait_first
from hub.upstream.wire import GarbageError, decode

GARBAGE_LINES_A_SECOND: Final = 200
GARBAGE_PAUSE_S: Final = 0.05
GARBAGE_SHOWN: Final = 20
LARGE_BYTES: Final = 1 << 20
"""A message longer than this is taken in pieces, so that other servers and callers get their turns in between."""
PIECE_BYTES: Final = 1 << 16
PIECE_PAUSE_S: Final = 0.001


class _Output:
    """What the program writes: messages to the peer, everything else to the log, as little of it as need be."""

    def __init__(self, *, limit_bytes: int, log: StderrLog, logger: logging.Logger) -> None:
        self.peer: Peer | None = None
        self.child: ChildProcess | None = None
        self.noise = anyio.Event()
        self.hopeless = anyio.Event()
        self._lines = LineReader(limit_bytes=limit_bytes)
        self._limit_bytes = limit_bytes
        self._log = log
        self._logger = logger
        self._garbage_count = 0
        self._window_ends_at = 0.0
        self._unpaused_bytes = 0

    def feed(self, data: bytes) -> None:
        if self.peer is None:
            return
        for line in self._lines.feed(data):
            if isinstance(line, Oversized):
                self._drop(line, self.peer)
                continue
            try:
                message = decode(line)
            except GarbageError:
                if line.strip():
                    self._garbage(line)
                continue
            self.peer.receive(message)
        if self._lines.held_bytes > LARGE_BYTES:
            self._pace(len(data))

    def _pace(self, size_bytes: int) -> None:
        self._unpaused_bytes += size_bytes
        if self._unpaused_bytes >= PIECE_BYTES and self.child is not None:
            self._unpaused_bytes = 0
            self.child.pause_output(PIECE_PAUSE_S)

    def _drop(self, line: Oversized, peer: Peer) -> None:
        error = TooLargeError(f"it sent a message of more than {self._limit_bytes} bytes (`max_message_bytes`)")
        if line.request_id is None or not peer.fail_one(line.request_id, error):
            self._logger.warning("a message of more than %d bytes that answers no call", self._limit_bytes)
            self.hopeless.set()

    def _garbage(self, line: bytes) -> None:
        now = time.monotonic()
        if now >= self._window_ends_at:
            self._window_ends_at = now + 1.0
            self._garbage_count = 0
        self._garbage_count += 1
        if not self.noise.is_set():
            self.noise.set()
            self._logger.warning("it writes lines to its standard output that are not messages; see its log")
        if self._garbage_count <= GARBAGE_SHOWN:
            self._log.write(b"[stdout] " + line[:500] + b"\n")
        if self._garbage_count % GARBAGE_LINES_A_SECOND == 0 and self.child is not None:
            self.child.pause_output(GARBAGE_PAUSE_S)


@asynccontextmanager
async def open_stdio(site: Site) -> AsyncGenerator[DuplexConnection]:
    """Start the program, negotiate, and end it on the way out.

    Raises:
        UpstreamDownError: it does not start or does not speak MCP; the message says what to look at.
    """
    settings = site.settings
    program = Program(
        argv=(settings.command or "", *settings.args),
        env={**site.links.base_env, **settings.env},
        cwd=settings.cwd,
    )
    output = _Output(limit_bytes=settings.max_message_bytes, log=site.log, logger=site.logger)
    async with (
        open_tasks() as tasks,
        open_process(program, guard=site.links.guard, on_output=output.feed, log=site.log, logger=site.logger) as child,
    ):
        connection: DuplexConnection | None = None

        def notify(method: str, params: dict[str, object]) -> None:
            if connection is not None:
                connection.receive_notification(method, params)

        async def send(message: bytes) -> None:
            await child.send(message + b"\n")

        peer = Peer(
            send=send,
            tasks=tasks,
            notify=notify,
            identity=site.links.identity,
            logger=site.logger,
            extensions=site.extensions,
        )
        output.peer, output.child = peer, child
        ended = anyio.Event()

        async def follow_end() -> None:
            await wait_first(child.exited, output.hopeless)
            if child.exited.is_set():
                await child.wait_ended()
            peer.end(UpstreamDownError(child.describe_end()))
            ended.set()

        tasks.start_soon(follow_end)
        try:
            hello = await negotiate(peer, site, output.noise)
            connection = DuplexConnection(peer=peer, hello=hello, site=site, describe_end=child.describe_end)
            connection.ended = ended
            tasks.start_soon(hold, connection)
            yield connection
        finally:
            peer.end(UpstreamDownError("the server is being stopped"))
