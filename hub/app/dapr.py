"""Dapr's own programs, kept running while something needs them."""

import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from hub.app.dapr_programs import DaprPorts, DaprSetup
from hub.app.dapr_resources import sqlite_resources, write_resources
from hub.config.claiming import claim
from hub.errors import ConfigError, UpstreamDownError
from hub.upstream.guarding import GroupGuard

if TYPE_CHECKING:
    import aiohttp

START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 10.0
_ASK_EVERY_S = 0.1


def prepare_dapr(programs: Path, folder: Path, ports: DaprPorts, resources: Path | None = None) -> DaprSetup:
    """Make the folder, and the components where none are given.

    Args:
        folder: for data and logs; only its owner may enter.
        resources: a folder with the YAML of components; without it, state is kept in an SQLite file in `folder`.

    Raises:
        ConfigError: the folder can't be made, or there are no components.
    """
    if resources is not None and not any(resources.glob("*.y*ml")):
        raise ConfigError(f"{resources}: found no .yaml file; expected a folder with Dapr components; write them there")
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if resources is None:
            resources = folder / "resources"
            resources.mkdir(exist_ok=True)
            write_resources(resources, sqlite_resources(folder / "state.db"))
    except OSError as error:
        reason = error.strerror or "an unknown reason"
        raise ConfigError(f"{folder}: found no way to make it ({reason}); expected a folder for Dapr's data") from error
    return DaprSetup(programs=programs, folder=folder, resources=resources.absolute(), ports=ports)


@contextlib.asynccontextmanager
async def open_dapr(setup: DaprSetup, variables: Mapping[str, str]) -> AsyncGenerator[DaprSetup]:
    """Start placement, scheduler and daprd; they are up inside the block and gone after it.

    Args:
        variables: the programs' environment; daprd wants the token in `DAPR_API_TOKEN` from its clients, if it is set.

    Raises:
        ConfigError: the folder is in use by another set of programs.
        UpstreamDownError: a program ended, or they were not ready in time.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_held(setup.folder))
        guard = GroupGuard()
        stack.push_async_callback(guard.aclose)
        group = await stack.enter_async_context(anyio.create_task_group())
        for name, command in setup.commands().items():
            process = await stack.enter_async_context(_running(command, setup.log_of(name), variables, guard))
            group.start_soon(_raise_at_end, name, process, setup.log_of(name))
        stack.callback(group.cancel_scope.cancel)
        await _wait_until_ready(setup)
        yield setup


@contextlib.contextmanager
def _held(folder: Path) -> Generator[None]:
    """Two schedulers on one folder would wait for each other without a word."""
    with claim(folder / "lock") as is_ours:
        if not is_ours:
            raise ConfigError(f"{folder}: found it in use; expected no other `hub up --dapr` on it; stop it")
        yield


@contextlib.asynccontextmanager
async def _running(
    command: list[str], log: Path, variables: Mapping[str, str], guard: GroupGuard
) -> AsyncGenerator[anyio.abc.Process]:
    """A program in a group of its own, so that Ctrl-C reaches it only through us and in the right order."""
    with log.open("ab") as output:
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        await guard.enrol(process.pid)
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)
            guard.dismiss(process.pid)


async def _stop(process: anyio.abc.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(_STOP_GRACE_S):
            await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _raise_at_end(name: str, process: anyio.abc.Process, log: Path) -> None:
    code = await process.wait()
    raise UpstreamDownError(f"Dapr's {name} ended with status {code}; its log is {log}")


async def _wait_until_ready(setup: DaprSetup) -> None:
    import aiohttp

    with anyio.move_on_after(START_TIMEOUT_S):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            for url in setup.health_urls:
                while not await _is_well(session, url):  # noqa: ASYNC110 - another program's state, asked for
                    await anyio.sleep(_ASK_EVERY_S)
        return
    raise UpstreamDownError(
        f"Dapr was not ready within {START_TIMEOUT_S:g} s; its logs are {setup.log_of('daprd')} and beside it"
    )


async def _is_well(session: "aiohttp.ClientSession", url: str) -> bool:
    import aiohttp

    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(url) as answer:
            return answer.ok
    return False
