"""Crews and graphs among an agent's tools, on every sidecar; the article's own block with its name bound."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from adapters import CrewAITool, LangGraphTool
from adapters.dapr_keys import DaprKeys
from hub import AgentRunner, DurableAgent
from hub.errors import ConfigError
from hub.workflows import DaprAddress, open_connection
from tests.agentic.patience import until
from tests.agentic.test_article import ARTICLE, block, frame, run_block
from tests.tooling.locks import CHECKOUT
from tests.wrapped.environments import synced

RunnerOf = Callable[..., AgentRunner]
EXAMPLES = CHECKOUT / "examples"


def project(folder: Path, example: str, environment: str) -> Path:
    """A project as a user has it: its files, and an environment of its own."""
    made = folder / example
    shutil.copytree(EXAMPLES / example / "project", made, ignore=shutil.ignore_patterns("__pycache__"))
    (made / ".venv").symlink_to(synced(environment).parents[1])
    return made


@pytest.mark.skipif(not ARTICLE.is_file(), reason="the article does not lie beside the checkout")
async def test_the_article_s_crew_is_a_tool_of_its_coordinator(
    runner_of: RunnerOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(project(tmp_path, "research_team", "crewai"))
    source = block("from dapr_agents.interop import CrewAITool")
    names = await run_block(source, frame(DurableAgent=DurableAgent, research_crew="crew.py:crew"))
    assert isinstance(names["research_crew"], CrewAITool)
    async with runner_of(names["coordinator"], model="offline") as runner:
        run_id = await runner.start_run("Please let the research_team work on tea.")
        answer = await runner.runs.result(run_id, timeout_s=100)
    assert answer.startswith("research_team: ")
    assert '"summary": "On ' in answer


@pytest.mark.parametrize("isolation", ["process", "inprocess"])
async def test_a_graph_s_question_is_asked_of_the_run(
    runner_of: RunnerOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = project(tmp_path, "review_graph", "langgraph")
    review = LangGraphTool(graph=str(folder / "graph.py:build"), name="review", isolation=isolation)
    agent = DurableAgent(name="editor", tools=[review])
    async with runner_of(agent, model="offline") as runner:
        run_id = await runner.start_run("Please review tea.")
        with anyio.fail_after(60):
            asked = await until(lambda: runner.questions.list(run_id=run_id))
            await runner.questions.answer(asked[0].id, {"action": "accept", "content": {"approved": True}})
        answer = await runner.runs.result(run_id, timeout_s=60)
    assert '"approved": true' in answer


async def test_what_a_host_keeps_lies_in_dapr(dapr: DaprAddress, one_event_loop: None) -> None:
    async with open_connection(dapr) as connection:
        keys = DaprKeys(connection, "statestore", prefix=f"test-{os.getpid()}/")
        await keys.put({"a": "1", "b": "ü"})
        assert await keys.get(["a", "b", "c"]) == {"a": "1", "b": "ü"}
        await keys.delete(["a"])
        assert await keys.get(["a", "b"]) == {"b": "ü"}


def test_an_object_is_found_again_by_its_module_s_name() -> None:
    assert CrewAITool(crew=project, name="team").settings.reference == "tests/agentic/test_interop.py:project"
    assert LangGraphTool(graph="langgraph.json:pay", name="pay").settings.reference == "langgraph.json:pay"


def test_an_object_that_no_module_names_is_refused_with_the_reference_to_write() -> None:
    with pytest.raises(ConfigError, match=r'write crew="package\.module:name"'):
        CrewAITool(crew=object(), name="team")
