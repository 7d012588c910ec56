"""Agents and the catalogue: agents as tools of a hub, the hub's tools as tools of agents."""

import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp import Client
from mcp.types import TextContent

from hub import AgentRunner, DurableAgent, MCPToolProvider
from hub.agents.loading import load_agent
from hub.agents.provider import AgentProvider
from hub.agents.settings import AgentSettings
from hub.catalog.catalog import open_catalog
from hub.catalog.policy import ArgumentCheck
from hub.catalog.provider import Answer, Era, Json, Questions
from hub.catalog.section import Section
from hub.config import load_config
from hub.errors import ConfigError
from hub.upstream import Links
from hub.workflows import DaprAddress
from tests.agentic.model_server import ModelServer, calls, says
from tests.agentic.patience import until
from tests.tooling.hubs import hub_environment, open_hub
from tests.tooling.memory_provider import MemoryProvider, text

RunnerOf = Callable[..., AgentRunner]

PROGRAM = '''
from hub import DurableAgent, MCPToolProvider, tool


class Researcher(DurableAgent):
    """Finds things out."""

    model = "offline"

    @tool
    def search(self, query: str) -> list[dict[str, str]]:
        """Find papers."""
        return [{"title": f"On {query}"}]

    async def research(self, topic: str) -> dict[str, str]:
        """Research a topic."""
        [paper] = await self.search(topic)
        return paper


coordinator = DurableAgent(model="offline", tools=[MCPToolProvider("hub", tools=["researcher*"])])
'''
HUB_YAML = """
agents:
  researcher: {python: "team.py:Researcher"}
  boss: {python: "team.py:coordinator"}
"""


def told(result: Any) -> str:
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


async def test_agents_of_a_configuration_are_tools_of_the_hub(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(PROGRAM)
    with open_hub(tmp_path, HUB_YAML) as hub:
        async with Client(hub.url) as client:
            tools = {each.name: each for each in (await client.list_tools()).tools}
            found = await client.call_tool("researcher__research", {"topic": "cats"})
            answered = await client.call_tool("researcher", {"task": "please search for cats"})
            boss = await client.call_tool("boss", {"task": "please let the researcher research"})
        assert sorted(tools) == ["boss", "researcher", "researcher__research"]
    assert tools["researcher"].description == "Finds things out."
    assert tools["researcher__research"].input_schema["required"] == ["topic"]
    assert found.structured_content == {"title": "On cats"}
    assert (found.meta or {})["hub/runId"]
    assert told(answered) == 'search: [{"title": "On please search for cats"}]'
    assert told(boss).startswith("researcher: search: ")


async def test_a_failed_run_is_an_answer_without_the_exceptions_words(runner_of: RunnerOf) -> None:
    class Failing(DurableAgent):
        async def work(self) -> str:
            raise RuntimeError("/etc/secret")

    agent = Failing(model="offline")
    async with runner_of(agent) as runner:
        params: Json = {"name": "failing__work", "arguments": {}}
        outcome = await AgentProvider(agent, runner.runs).call(params, FakeCaller("ann"))
    assert isinstance(outcome, Answer)
    run_id = outcome.body["_meta"]["hub/runId"]
    assert outcome.body == {
        "isError": True,
        "content": [
            {
                "type": "text",
                "text": f"run_failed: run {run_id} failed with RuntimeError; `hub run show` tells more",
            }
        ],
        "_meta": {"hub/runId": run_id, "hub/code": "run_failed", "hub/retryable": False},
    }


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("nowhere.py:Researcher", r"agents\.a\.python: nowhere\.py cannot be loaded"),
        ("team.py:Nobody", r"team\.py has no 'Nobody'"),
        ("team.py:Researcher.search", "is a Tool; expected a DurableAgent"),
        ("no_such_module_here:x", "cannot be loaded"),
    ],
)
def test_an_entry_that_names_no_agent_says_what_is_wrong(tmp_path: Path, entry: str, problem: str) -> None:
    (tmp_path / "team.py").write_text(PROGRAM)
    with pytest.raises(ConfigError, match=problem):
        load_agent("a", AgentSettings(python=entry), tmp_path)


def test_an_entry_that_names_no_agent_ends_the_hub_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("agents: {a: {python: 'nowhere.py:A'}}")
    hub = Path(sys.executable).with_name("hub")
    environment = hub_environment(tmp_path / "home")
    command = [hub, "serve", "--port", "0"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert "agents.a.python: nowhere.py cannot be loaded" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_reference_without_an_attribute_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("agents:\n  a:\n    python: team.py\n")
    with pytest.raises(ConfigError, match=r"hub\.yaml:3: agents\.a\.python"):
        load_config(tmp_path / "hub.yaml", {})


async def test_calls_of_one_key_meet_in_one_run(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(says("once"), says("twice"))
    agent = DurableAgent(model=models.model)
    async with runner_of(agent) as runner:
        provider = AgentProvider(agent, runner.runs)
        params: Json = {"name": agent.name, "arguments": {"task": "x"}, "_meta": {"hub/idempotencyKey": models.url}}
        answers = [await provider.call(params, FakeCaller(who)) for who in ("ann", "ann", "bob")]
    texts = [answer.body["content"][0]["text"] for answer in answers if isinstance(answer, Answer)]
    assert texts == ["once", "once", "twice"]


async def test_a_caller_that_goes_away_cancels_its_run(runner_of: RunnerOf) -> None:
    class Sleeper(DurableAgent):
        async def sleep(self) -> None:
            await self.context.sleep(3600)

    agent = Sleeper(model="offline")
    async with runner_of(agent) as runner:
        provider = AgentProvider(agent, runner.runs)

        async def wait_for(status: str) -> None:
            await until(lambda: runner.runs.list(workflow="sleeper.sleep", statuses=[cast("Any", status)]))

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                params: Json = {"name": "sleeper__sleep", "arguments": {}}
                group.start_soon(provider.call, params, FakeCaller("ann"))
                await wait_for("running")
                group.cancel_scope.cancel()
            await wait_for("cancelled")


async def test_an_mcp_servers_tools_are_an_agents(runner_of: RunnerOf, models: ModelServer, tmp_path: Path) -> None:
    command = {
        "command": sys.executable,
        "args": ["-m", "mcp_servers.notes"],
        "env": {"NOTES_DB": str(tmp_path / "notes.db")},
    }
    models.plays(calls(("add_note", {"title": "Cats", "body": "They purr."})), says("kept"))
    notes = MCPToolProvider(command, name="notes", hide=["delete_*"])
    async with runner_of(DurableAgent(model=models.model, tools=[notes])) as runner:
        run_id = await runner.start_run("Keep this.")
        assert await runner.runs.result(run_id, timeout_s=60) == "kept"
        steps = [each.name for each in await runner.runs.history(run_id) if each.kind == "taskScheduled"]
    names = [each["function"]["name"] for each in models.requests[0]["tools"]]
    assert "add_note" in names
    assert not [name for name in names if name.startswith("delete_")]
    assert "Cats" in str(models.messages(1)[-1])
    assert steps == ["hub.agents.list_tools", "hub.agents.model", "hub.agents.call_tool", "hub.agents.model"]


async def test_what_a_tool_asks_becomes_a_question_of_the_run(
    runner_of: RunnerOf, models: ModelServer, dapr: DaprAddress
) -> None:
    seen: list[Json] = []

    async def book(params: Json, caller: Any) -> Answer | Questions:
        seen.append(params)
        if "inputResponses" in params:
            return text(f"booked {params['inputResponses']['date']['content']['day']}")
        asked: Json = {"mode": "form", "message": "Which day?", "requestedSchema": {"type": "object", "properties": {}}}
        request: Json = {"method": "elicitation/create", "params": asked}
        return Questions(body={"inputRequests": {"date": request}, "requestState": "opaque"})

    provider = MemoryProvider(name="travel")
    provider.add_tool("book", book)

    class Source:
        name = "travel"

        def is_offered(self, definition: Json) -> bool:
            return True

        @contextlib.asynccontextmanager
        async def open_provider(self, house: Any) -> AsyncGenerator[MemoryProvider]:
            yield provider

    models.plays(calls(("book", {})), says("done"))
    async with runner_of(DurableAgent(model=models.model, tools=[Source()])) as runner:
        run_id = await runner.start_run("Book it.")
        with anyio.fail_after(20):
            asked = await until(lambda: runner.questions.list(run_id=run_id))
            await runner.questions.answer(asked[0].id, {"action": "accept", "content": {"day": "Monday"}})
            assert await runner.runs.result(run_id) == "done"
    assert models.messages(1)[-1] == ("tool", "booked Monday")
    assert [each.get("requestState") for each in seen] == [None, "opaque"]
    assert len({each["_meta"]["hub/idempotencyKey"] for each in seen}) == 1


async def test_the_hubs_own_catalogue_is_called_without_a_network(
    models: ModelServer, dapr: DaprAddress, tmp_path: Path
) -> None:
    from hub.agents.house import House
    from hub.runner.hosting import open_agents_on
    from hub.workflows import open_connection

    provider = MemoryProvider(name="clock")

    async def now(params: Json, caller: Any) -> Answer:
        return text(f"noon for {caller.identity.partition(':')[0]}")

    provider.add_tool("now", now)
    models.plays(calls(("clock__now", {})), says("noon"))

    async def no_links() -> Links:
        raise AssertionError("a call of the hub's own needs no connection")

    agent = DurableAgent(name="watch", model=models.model, tools=[MCPToolProvider("http://127.0.0.1:9/mcp")])
    async with open_catalog([ArgumentCheck()]) as catalog, open_connection(dapr) as connection:
        catalog.add(Section(provider=provider, prefix="clock"))
        house = House(
            dapr=connection,
            state_store="statestore",
            links=no_links,
            catalog=catalog,
            own_urls=frozenset({"http://127.0.0.1:9/mcp"}),
        )
        async with open_agents_on(house, [agent], {}) as hosted:
            runs = hosted.runs
            run_id = await runs.start(agent.workflows["run"], {"task": "What time is it?"})
            assert await runs.result(run_id, timeout_s=30) == "noon"
    assert models.messages(1)[-1] == ("tool", "noon for run")


class FakeCaller:
    """Somebody who calls, and cannot be asked."""

    era: Era = "modern"
    live = False
    client_info = None
    wants_progress = False
    log_level = None

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.capabilities: Json = {}

    async def progress(self, params: Json) -> None: ...

    async def log(self, params: Json) -> None: ...

    async def ask(self, method: str, params: Json) -> Json:
        raise AssertionError("nobody is there")
