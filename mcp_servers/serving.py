"""Run one MCP server as a program: on its standard pipes, or over Streamable HTTP on one address."""

import argparse
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

_CHUNK_BYTES = 64 * 1024
_GRACE_S = 3
_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - refused: no Host header could be told from a wrong one


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


class AddressError(Exception):
    """The address can't be listened on."""


async def serve(server: Server, *, http_port: int | None, host: str) -> None:
    """Serve until standard input ends, or until SIGTERM or SIGINT.

    Raises:
        AddressError: nobody can listen there; the message says why.
    """
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
    with (
        anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
        os.fdopen(read_fd, encoding="utf-8", errors="replace") as stdin,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pump, sys.stdin.fileno(), write_fd, signals)
            yield stdin
            tasks.cancel_scope.cancel()


async def _pump(source_fd: int, target_fd: int, signals: AsyncIterator[signal.Signals]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, signals, tasks.cancel_scope.cancel)
        try:
            while chunk := await _read(source_fd):
                await _write(target_fd, chunk)
        except BrokenPipeError:
            pass
        finally:
            os.close(target_fd)
        tasks.cancel_scope.cancel()


async def _end_on_signal(signals: AsyncIterator[signal.Signals], end: Callable[[], object]) -> None:
    async for _ in signals:
        end()


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

    if host in _WILDCARDS:
        raise AddressError(f"can't listen on {host}: expected the one address that clients use, such as 127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise AddressError(f"can't listen on {host}:{port}: {error}") from error
    with listener:
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

        def stop() -> None:
            http.should_exit = True

        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_end_on_signal, signals, stop)
                sys.stderr.write(f"{server.name}: listening on http://{address}/mcp\n")
                sys.stderr.flush()
                await http.serve(sockets=[listener])
                tasks.cancel_scope.cancel()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
