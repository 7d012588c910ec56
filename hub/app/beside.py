"""A command that runs beside a sidecar: it finds Dapr by the usual variables and ends with it."""

import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import anyio
import anyio.abc

from hub import forking
from hub.errors import ConfigError

_STOP_GRACE_S = 15.0
_ENDPOINTS = ("DAPR_GRPC_ENDPOINT", "DAPR_HTTP_ENDPOINT")
"""They outrank the ports, so a value left from another sidecar must not stay."""


def dapr_variables(*, grpc_port: int, http_port: int) -> dict[str, str]:
    """What a program on the Dapr SDK has to be told.

    Source: Dapr Python SDK, `dapr.conf.global_settings`.
    """
    return {"DAPR_GRPC_PORT": str(grpc_port), "DAPR_HTTP_PORT": str(http_port)}


async def run_beside(
    command: Sequence[str],
    dapr: Mapping[str, str],
    variables: Mapping[str, str],
    on_ready: Callable[[], None],
) -> int:
    """Run a command to its end, with the terminal as its own; without one, wait for SIGINT or SIGTERM.

    Args:
        dapr: what `dapr_variables` gave.
        variables: the environment for the rest.
        on_ready: told once signals are heard, so whoever hears of it may send one at once.

    Returns:
        The command's exit code, in the shell's way of counting signals.

    Raises:
        ConfigError: there is no such program.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        on_ready()
        if not command:
            async for _ in signals:
                break
            return 0
        dropped = {*_ENDPOINTS, forking.VARIABLE} if forking.is_ours() else _ENDPOINTS
        kept = {name: value for name, value in variables.items() if name not in dropped}
        try:
            process = await anyio.open_process(command, stdin=None, stdout=None, stderr=None, env={**kept, **dapr})
        except OSError as error:
            raise ConfigError(
                f"{command[0]}: found no program to run ({error.strerror}); expected a command after `--`"
            ) from error
        code = 0
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_end_on_signal, process, signals)
                code = await process.wait()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process, ask=True)
    return 128 - code if code < 0 else code


async def _end_on_signal(process: anyio.abc.Process, signals: AsyncIterator[signal.Signals]) -> None:
    async for number in signals:
        # Ctrl-C reaches the command from the terminal itself.
        await _end(process, ask=number != signal.SIGINT)


async def _end(process: anyio.abc.Process, *, ask: bool) -> None:
    if process.returncode is not None:
        return
    if ask:
        process.terminate()
    with anyio.move_on_after(_STOP_GRACE_S):
        await process.wait()
        return
    process.kill()
    await process.wait()
