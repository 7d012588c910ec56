"""What adapters get of a hub, made of real parts, and the environments of the frameworks."""

import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from hub.app.state_file import open_state_file
from hub.upstream import Links, Surroundings, open_links
from tests.host.model_server import ModelServer, open_model_server
from tests.wrapped.environments import synced


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that import a framework, some of them several times, the time that this takes on a busy machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture
async def links() -> AsyncGenerator[Links]:
    async with open_links(base_env=dict(os.environ), seal_key=b"k" * 32, version="0") as links:
        yield links


@pytest.fixture
async def surroundings(tmp_path: Path, links: Links) -> AsyncGenerator[Surroundings]:
    state = tmp_path / "state"
    state.mkdir()
    async with open_state_file(state / "hosted.sqlite3") as store:
        yield Surroundings(
            folder=tmp_path,
            state=state,
            links=links,
            store=store,
            log_path=state / "host.log",
            variables=dict(os.environ),
        )


@pytest.fixture(scope="session")
def crewai_python() -> Path:
    return synced("crewai")


@pytest.fixture(scope="session")
def langgraph_python() -> Path:
    return synced("langgraph")


@pytest.fixture(scope="session")
def model() -> Iterator[ModelServer]:
    with open_model_server() as server:
        yield server
