"""The server: where it listens, and its connections."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Final

from .call import Router
from .connection import CLOSE_S, Connection, Limits

logger = logging.getLogger(__name__)

BACKLOG: Final = 1024
PAUSE_S: Final = 0.5
"""How long nobody is let in when this process has no file descriptor left."""
LOOK_S: Final = 0.01


class WireServer:
    """Answers calls of gRPC in this event loop.

    It accepts by itself: `asyncio.Server`, closed while a client is on its way, leaves that connection open for ever
    (CPython 3.11).
    """

    def __init__(self, router: Router, limits: Limits) -> None:
        self._router = router
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> int:
        """Take calls from now on; returns the port.

        Args:
            host: an address, or `localhost` for all that it stands for.
            port: 0 takes a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, address in dict.fromkeys((each[0], str(each[4][0])) for each in found):
            try:
                listening = socket.create_server((address, port), family=family, backlog=BACKLOG)
            except OSError:
                if not self._listening:
                    raise
                continue  # the other family's, which this machine does not have
            listening.setblocking(False)
            self._listening.append(listening)
            port = int(listening.getsockname()[1])
            self._watch(listening)
        return port

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and end those that are not over after a while."""
        listening, self._listening = self._listening, []
        for each in listening:
            self._loop.remove_reader(each)
            each.close()
        await asyncio.gather(*self._connecting)
        for connection in self._connections:
            connection.leave()
        await self._wait(grace_s, lambda: all(connection.is_idle for connection in self._connections))
        for connection in self._connections:
            connection.close()
        await self._wait(2 * CLOSE_S, lambda: not self._connections)

    async def _wait(self, limit_s: float, is_done: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not is_done():  # noqa: ASYNC110 - once in a server's life
                    await asyncio.sleep(LOOK_S)

    def _watch(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                client, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.warning("no client is let in for %s s: %s", PAUSE_S, error)
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE_S, self._watch, listening)
                return
            task = self._loop.create_task(self._connect(client))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: socket.socket) -> None:
        try:
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._connection, client)
        except OSError:  # it is gone already
            client.close()

    def _connection(self) -> Connection:
        return Connection(self._router, self._limits, made=self._connections.add, lost=self._connections.discard)
