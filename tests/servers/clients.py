"""Connect the SDK's own client to a server that runs as a program, on each transport and in each protocol era."""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from anyio import to_thread
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.tooling.ports import LOOPBACK, free_port
from tests.tooling.programs import open_program

Transport = Literal["stdio", "http"]
Mode = Literal["legacy", "auto", "2026-07-28"]

LEGACY_VERSION = "2025-11-25"
MODERN_VERSION = "2026-07-28"

WAYS = [
    pytest.param("stdio", "legacy", id="stdio-legacy"),
    pytest.param("stdio", "auto", id="stdio-auto"),
    pytest.param("http", "legacy", id="http-legacy"),
    pytest.param("http", "2026-07-28", id="http-modern"),
]
"""Each transport in each era; `auto` ends in the modern one."""


def version_of(mode: Mode) -> str:
    return LEGACY_VERSION if mode == "legacy" else MODERN_VERSION


@asynccontextmanager
async def connect(
    module: str, arguments: Sequence[str], *, transport: Transport, mode: Mode, folder: Path, **options: Any
) -> AsyncGenerator[Client]:
    """A client of `python -m module`, which is started for it and gone afterwards."""
    command = [sys.executable, "-m", module, *arguments]
    if transport == "stdio":
        with (folder / "stderr.log").open("w") as log:
            parameters = StdioServerParameters(command=command[0], args=command[1:])
            async with Client(stdio_client(parameters, errlog=log), mode=mode, **options) as client:
                yield client
        return
    port = free_port()
    with open_program([*command, "--http", str(port)], folder / "http.log") as program:
        await to_thread.run_sync(lambda: program.wait_for_port(port))
        async with Client(f"http://{LOOPBACK}:{port}/mcp", mode=mode, **options) as client:
            yield client
