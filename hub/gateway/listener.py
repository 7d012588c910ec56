"""Listens with uvicorn on a socket that was bound before, and stops when told."""

import contextlib
import socket
from collections.abc import Callable, Generator

import anyio
import uvicorn

from hub.errors import ConfigError
from hub.gateway.http import AsgiApp

_GRACE_S = 3
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Leaves signals to the program that it runs in, and tells when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the address can't be had; says why and what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        reason = error.strerror or "it can't be bound"
        raise ConfigError(
            f"can't listen on {host}:{port}: {reason}; "
            "choose another port with --port or `gateway.port` (0 takes a free one)"
        ) from error
    sock.setblocking(False)
    return sock


async def listen(app: AsgiApp, sock: socket.socket, *, stop: anyio.Event, on_listening: Callable[[], None]) -> None:
    """Serve until `stop` is set; open requests then get a few seconds to end. Closes the socket."""
    config = uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]  # uvicorn's own ASGI types are closed TypedDicts
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=None,
    )
    server = _Server(config, on_listening)

    async def wait_for_stop() -> None:
        await stop.wait()
        server.should_exit = True

    with sock:
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_stop)
            await server.serve(sockets=[sock])
            group.cancel_scope.cancel()
