"""What upstream servers share in a test, and one running server of both eras over HTTP."""

import os
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from hub.upstream import Links, open_links
from tests.tooling.locks import CHECKOUT
from tests.tooling.ports import free_port
from tests.tooling.programs import open_program


@pytest.fixture
async def links() -> AsyncGenerator[Links]:
    async with open_links(base_env=dict(os.environ), seal_key=b"k" * 32, version="0") as links:
        yield links


@pytest.fixture(scope="session")
def matrix_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The server of the matrix on SDK 2.x, over Streamable HTTP."""
    port = free_port()
    command = [sys.executable, "-m", "tests.fixtures.matrix_server_v2", "--name", "web", "--port", str(port)]
    log = Path(tmp_path_factory.mktemp("matrix")) / "log"
    with open_program(command, log, cwd=CHECKOUT) as program:
        program.wait_for_port(port)
        yield f"http://127.0.0.1:{port}/mcp"
