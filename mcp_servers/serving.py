"""Run one MCP server as a program: on its standard pipes, or over Streamable HTTP on one address."""

import argparse
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

_CHUNK_BYTES = 64 * 1024
_GRACE_S = 3


def add_serving_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--http` and `--host`, the two that every server takes."""
    parser.add_argument(
        "--http", metavar="PORT", type=int, help="serve Streamable HTTP on this port (0: a free one) instead of stdio"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on with --http (default: %(default)s)")


def distribution_version() -> str:
    """The version that servers tell; `0` when run from a source tree that is not installed."""
    try:
        return version("interop-hub")
    except PackageNotFoundError:
        return "0"


async def serve(server: Server, *, http_port: int | None, host: str) -> None:
    """Serve until standard input ends, or until SIGTERM or SIGINT."""
    if http_port is None:
        await _serve_stdio(server)
    else:
        await _serve_http(server, host=host, port=http_port)


async def _serve_stdio(server: Server) -> None:
    async with _ending_stdin() as stdin, stdio_server(stdin=anyio.wrap_file(stdin)) as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


@asynccontextmanager
async def _ending_stdin() -> AsyncGenerator[TextIO]:
    """Standard input that also ends on SIGTERM and SIGINT, so that a call in flight is ended in order.

    A thread that is blocked in a read can't be cancelled; the bytes therefore go through a pipe whose write end is
    ours to close.
    """
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    async with anyio.create_task_group() as tasks:
        with os.fdopen(read_fd, encoding="utf-8", errors="replace") as stdin:
            tasks.start_soon(_pump, sys.stdin.fileno(), write_fd)
            yield stdin
        tasks.cancel_scope.cancel()


async def _pump(source_fd: int, target_fd: int) -> None:
    async with anyio.create_task_group() as tasks:

        async def end_on_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    tasks.cancel_scope.cancel()
                    return

        tasks.start_soon(end_on_signal)
        try:
            while chunk := await _read(source_fd):
                await _write(target_fd, chunk)
        except BrokenPipeError:
            pass
        finally:
            os.close(target_fd)
        tasks.cancel_scope.cancel()


async def _read(fd: int) -> bytes:
    # A regular file is always readable, and the event loop refuses to watch one.
    with suppress(PermissionError):
        await anyio.wait_readable(fd)
    return os.read(fd, _CHUNK_BYTES)


async def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            await anyio.wait_writable(fd)


async def _serve_http(server: Server, *, host: str, port: int) -> None:
    import uvicorn  # only this way of serving needs it

    class SignalFreeServer(uvicorn.Server):
        """Leaves signals to us: uvicorn raises them again after its end, which would spoil the exit status."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=128) as listener:
        bound_port: int = listener.getsockname()[1]
        address = f"[{host}]:{bound_port}" if family == socket.AF_INET6 else f"{host}:{bound_port}"
        security = None
        if not _is_loopback(host):
            security = TransportSecuritySettings(allowed_hosts=[address], allowed_origins=[f"http://{address}"])
            sys.stderr.write(f"warning: {address} can be reached from outside and asks for no token\n")
        app = server.streamable_http_app(host=host, transport_security=security)
        http = SignalFreeServer(
            uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=_GRACE_S, lifespan="on")
        )
        async with anyio.create_task_group() as tasks:

            async def stop_on_signal() -> None:
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for _ in signals:
                        http.should_exit = True

            tasks.start_soon(stop_on_signal)
            sys.stderr.write(f"{server.name}: listening on http://{address}/mcp\n")
            sys.stderr.flush()
            await http.serve(sockets=[listener])
            tasks.cancel_scope.cancel()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
