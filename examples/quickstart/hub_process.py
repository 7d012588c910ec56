"""The hub as a program of its own, started for the tour and gone after it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

_START_S = 30
_READY_S = 90
_STOP_S = 15
_POLL_S = 0.1
_TAIL_BYTES = 3000


class HubFailedError(Exception):
    """The hub did not start, or a server behind it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningHub:
    """A hub that answers."""

    url: str
    process: Process
    log: Path

    async def wait_until_ready(self) -> None:
        """Wait until each server behind the hub has been started.

        Raises:
            HubFailedError: one of them is down; the message says which and why.
        """
        try:
            with anyio.fail_after(_READY_S):
                servers = await self._started_servers()
        except (TimeoutError, httpx.HTTPError) as error:
            raise self.failure(f"the servers were not started within {_READY_S} s") from error
        down = [f"{server['name']}: {server.get('problem')}" for server in servers if server["phase"] != "ready"]
        if down:
            raise self.failure(f"not all servers are ready: {'; '.join(down)}")

    async def _started_servers(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(trust_env=False) as http:
            while True:
                state: dict[str, Any] = (await http.get(httpx.URL(self.url).join("/readyz"))).json()
                if state["status"] == "ready":
                    return state["servers"]
                await anyio.sleep(_POLL_S)

    async def wait_for_end(self) -> None:
        """Wait as long as the hub runs, and fail then: it has no reason to end by itself."""
        status = await self.process.wait()
        raise self.failure(f"the hub ended by itself with status {status}")

    def failure(self, problem: str) -> HubFailedError:
        """The error to raise, with the end of what the hub logged."""
        return HubFailedError(f"{problem}; the hub's log ends so:\n{_tail(self.log)}")


@asynccontextmanager
async def open_hub_process(
    config: Path, *, port: int, log: Path, variables: Mapping[str, str]
) -> AsyncGenerator[RunningHub]:
    """Start `hub serve` and wait for its address; the hub and all that it started are gone at the end.

    Raises:
        HubFailedError: it ended, or said nothing in time.
    """
    hub = str(Path(sys.executable).parent / "hub")
    command = [hub, "serve", "--config", str(config), "--port", str(port), "--json"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        # A session of its own: Ctrl-C reaches the tour alone, which then ends the hub in order.
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **variables},
            start_new_session=True,
        )
    try:
        yield RunningHub(url=await _address(process, log), process=process, log=log)
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _address(process: Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        with anyio.fail_after(_START_S):
            line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 65_536)
    except (anyio.EndOfStream, anyio.IncompleteRead, TimeoutError) as error:
        raise HubFailedError(f"the hub did not start; its log ends so:\n{_tail(log)}") from error
    answer = json.loads(line)
    if "url" not in answer:
        raise HubFailedError(f"the hub did not start: {line.decode()}")
    url: str = answer["url"]
    return url


async def _stop(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    with anyio.move_on_after(_STOP_S):
        await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.aclose()


def _tail(log: Path) -> str:
    return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
