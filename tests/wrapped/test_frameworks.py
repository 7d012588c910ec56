"""Real crews and graphs behind the hub's provider: a crash in the middle of a run."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import jsonschema_rs
import pytest

from adapters.hosted import HostProvider, open_host_provider
from adapters.settings import CrewSettings, GraphSettings, HostedSettings
from hub.catalog.provider import Answer, Json
from hub.upstream import Surroundings
from tests.host.model_server import ModelServer
from tests.upstream.callers import modern
from tests.wrapped.environments import PROJECTS
from tests.wrapped.processes import kill_hosts


@dataclass(frozen=True, kw_only=True)
class Case:
    section: str
    environment: str
    settings: type[HostedSettings]
    key: str
    reference: str
    task: str
    """A task at whose model call a run is held back."""


CASES = [
    Case(
        section="crews",
        environment="crewai",
        settings=CrewSettings,
        key="crew",
        reference="crews:six_tasks",
        task="t3",
    ),
    Case(
        section="graphs",
        environment="langgraph",
        settings=GraphSettings,
        key="graph",
        reference="graphs:eight_nodes",
        task="n3",
    ),
]


@asynccontextmanager
async def opened(
    case: Case, reference: str, surroundings: Surroundings, model: ModelServer, python: Path
) -> AsyncGenerator[HostProvider]:
    settings = case.settings.model_validate(
        {
            case.key: reference,
            "project": str(PROJECTS / f"{case.environment}_project"),
            "python": str(python),
            "env": {"MODEL_URL": model.url},
        }
    )
    with anyio.fail_after(100):
        async with open_host_provider(case.section, "work", settings, surroundings) as provider:
            yield provider


@pytest.fixture(params=CASES, ids=[case.section for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def python(case: Case, crewai_python: Path, langgraph_python: Path) -> Path:
    return crewai_python if case.environment == "crewai" else langgraph_python


async def test_a_run_answers_under_the_entry_s_name_and_is_not_repeated_after_a_crash(
    case: Case, python: Path, surroundings: Surroundings, model: ModelServer
) -> None:
    topic = f"crash {case.section}"
    params: Json = {"name": "work", "arguments": {"topic": topic}, "_meta": {"hub/idempotencyKey": "run"}}
    caller = modern()
    outcomes: list[Any] = []
    async with opened(case, case.reference, surroundings, model, python) as provider:
        (tool,) = await provider.list("tools")
        assert tool["name"] == "work"
        gate = model.hold(case.task, topic)

        async def call() -> None:
            outcomes.append(await provider.call(params, caller))

        async with anyio.create_task_group() as calls:
            calls.start_soon(call)
            assert await anyio.to_thread.run_sync(gate.arrived.wait, 60)
            assert kill_hosts() == 1
            gate.opened.set()
        (outcome,) = outcomes
        assert isinstance(outcome, Answer)
        assert outcome.body["isError"] is False, outcome.body
        jsonschema_rs.validate(tool["outputSchema"], outcome.body["structuredContent"])
        counted = model.calls(topic)
        assert {task: count for task, count in counted.items() if count > 1} == {case.task: 2}
        again = await provider.call(params, caller)
        assert isinstance(again, Answer)
        assert again.body["structuredContent"] == outcome.body["structuredContent"]
        assert model.calls(topic) == counted
    done = [report["progress"] for report in caller.reports]
    assert done, "no progress was told"
