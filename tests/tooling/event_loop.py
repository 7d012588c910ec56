"""One event loop for a whole session."""

from collections.abc import AsyncGenerator

import anyio.lowlevel
import pytest


@pytest.fixture(scope="session", autouse=True)
async def one_event_loop(anyio_backend: str) -> AsyncGenerator[None]:
    """Keep one event loop for the whole session: gRPC's poller does not survive the loop that it began with."""
    yield
    await anyio.lowlevel.checkpoint()
