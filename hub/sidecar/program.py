"""The sidecar with a process to itself, until it is told to stop."""

import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from .errors import SidecarError
from .settings import SidecarSettings

if TYPE_CHECKING:
    from .server import Sidecar


def run_program(
    settings: SidecarSettings, on_ready: "Callable[[Sidecar], None]", *, stop_with_stdin: bool = False
) -> None:
    """Serve until SIGINT, SIGTERM or, if asked for, the end of stdin.

    Args:
        on_ready: called once, when clients can connect.

    Raises:
        SidecarError: it cannot start; see `server.open_sidecar`.
    """
    from .server import serve_sidecar  # brings the SDK

    gc.freeze()  # what is imported stays: to look through it again would stop everything for tens of milliseconds
    serve = partial(serve_sidecar, settings, on_ready)
    named: list[SidecarError] = []
    backend_options = {"use_uvloop": sys.platform != "win32"}
    try:
        anyio.run(_serve, serve, stop_with_stdin, backend_options=backend_options)
    except* SidecarError as group:
        named.extend(error for error in group.exceptions if isinstance(error, SidecarError))
    if named:
        raise named[0]


async def _serve(serve: Callable[[], Awaitable[None]], stop_with_stdin: bool) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
        if stop_with_stdin:
            tasks.start_soon(_stop_on_stdin, tasks.cancel_scope)
        try:
            await serve()
        finally:
            tasks.cancel_scope.cancel()


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _stop_on_stdin(scope: anyio.CancelScope) -> None:
    await anyio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
    scope.cancel()
