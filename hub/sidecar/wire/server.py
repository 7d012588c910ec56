"""The server: where it listens, and its connections."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from .call import Router
from .connection import Connection, Limits

BACKLOG: Final = 1024
CLOSE_S: Final = 0.5
"""How long a client may take to read the last bytes."""
LOOK_S: Final = 0.01


class WireServer:
    """Answers calls of gRPC in this event loop."""

    def __init__(self, router: Router, limits: Limits) -> None:
        self._router = router
        self._limits = limits
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> int:
        """Take calls from now on; returns the port.

        Args:
            host: an address, or `localhost` for all that it stands for.
            port: 0 takes a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for address in dict.fromkeys(str(each[4][0]) for each in found):
            try:
                server = await loop.create_server(self._connection, address, port, backlog=BACKLOG)
            except OSError:
                if not self._servers:
                    raise
                continue  # the other family's, which this machine does not have
            self._servers.append(server)
            port = int(server.sockets[0].getsockname()[1])
        return port

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and end those that are not over after a while."""
        for server in self._servers:
            server.close()
        for connection in self._connections:
            connection.leave()
        await self._wait(grace_s, lambda: all(connection.is_idle for connection in self._connections))
        for connection in self._connections:
            connection.close()
        await self._wait(CLOSE_S, lambda: not self._connections)
        for connection in self._connections:
            connection.abort()
        await self._wait(CLOSE_S, lambda: not self._connections)

    async def _wait(self, limit_s: float, is_done: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not is_done():  # noqa: ASYNC110 - once in a server's life
                    await asyncio.sleep(LOOK_S)

    def _connection(self) -> Connection:
        return Connection(self._router, self._limits, self._connections)
