"""Runs that ask, on each sidecar."""

from collections.abc import AsyncGenerator

import pytest

from hub.questions import Questions
from hub.workflows import DaprConnection, open_worker
from tests.asked.asking_flows import build_functions
from tests.durable.conftest import address, connection, dapr_api, run_id, runs
from tests.tooling.event_loop import one_event_loop

__all__ = ["address", "connection", "dapr_api", "one_event_loop", "run_id", "runs"]


@pytest.fixture(scope="session")
async def questions(connection: DaprConnection) -> AsyncGenerator[Questions]:
    """The store, with a worker whose runs ask."""
    questions = Questions(connection)
    async with open_worker(connection, build_functions(questions)):
        yield questions
