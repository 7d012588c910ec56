"""Graphs in the hub's own process: what the contract of adapters does not speak of."""

import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from adapters import inprocess, side_loop
from adapters.hosted_adapter import open_entry
from adapters.settings import GraphSettings
from hub.catalog.provider import Answer, Json, Provider, Questions
from hub.errors import UpstreamDownError
from hub.upstream import Surroundings
from tests.host.model_server import ModelServer
from tests.tooling.hubs import RunningHub, open_hub
from tests.tooling.wire import MODERN, Wire, envelope, post
from tests.upstream.callers import Person, modern
from tests.wrapped.environments import PROJECTS
from tests.wrapped.test_contract import arrived

PROJECT = PROJECTS / "langgraph_project"

BLOCKING = """
import threading
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

arrived, opened = threading.Event(), threading.Event()


class Word(TypedDict):
    word: str


async def block(state: Word) -> Word:
    arrived.set()
    opened.wait(60)
    return {"word": state["word"] + "!"}


def build():
    builder = StateGraph(Word)
    builder.add_node("block", block)
    builder.add_edge(START, "block")
    builder.add_edge("block", END)
    return builder.compile()
"""


@asynccontextmanager
async def opened(
    surroundings: Surroundings, graph: str, project: Path = PROJECT, **more: Any
) -> AsyncGenerator[Provider]:
    settings = GraphSettings.model_validate({"graph": graph, "project": str(project), "isolation": "inprocess", **more})
    with anyio.fail_after(60):
        async with open_entry("graphs", "work", settings, surroundings) as provider:
            yield provider


@pytest.fixture(autouse=True)
def _model_url(model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_URL", model.url)


async def answer_to(provider: Provider, arguments: Json, caller: Person | None = None, **meta: Any) -> Json:
    named = {f"hub/{key}": value for key, value in meta.items()}
    outcome = await provider.call({"name": "work", "arguments": arguments, "_meta": named}, caller or modern())
    assert isinstance(outcome, Answer)
    return outcome.body


async def test_a_graph_gets_its_context_and_tells_its_own_progress(surroundings: Surroundings) -> None:
    caller = modern()
    async with opened(surroundings, "graphs.py:research") as provider:
        arguments: Json = {"topic": "sun", "depth": 2}
        body = await answer_to(provider, arguments, caller, context={"user": "ann"})
        refused = await answer_to(provider, arguments, context={"user": 5})
    assert body["structuredContent"] == {"report": "sun for ann", "steps": 1}
    assert [report["message"] for report in caller.reports] == ["node gather", "note 1", "note 2", "node write_up"]
    assert refused["_meta"]["hub/code"] == "invalid_input"


class Slow(Person):
    """A client to which each report takes a while."""

    async def progress(self, params: Json) -> None:
        await anyio.sleep(0.05)
        await super().progress(params)


async def test_a_slow_caller_gets_all_progress_before_the_answer(surroundings: Surroundings) -> None:
    caller = Slow(era="modern", live=False)
    async with opened(surroundings, "graphs.py:research") as provider:
        await answer_to(provider, {"topic": "sun", "depth": 2}, caller, context={"user": "ann"})
        assert [report["message"] for report in caller.reports] == ["node gather", "note 1", "note 2", "node write_up"]


async def test_a_thread_goes_on_for_its_owner_alone(surroundings: Surroundings) -> None:
    ann = modern(identity="ann")
    say: Json = {"messages": [{"role": "user", "content": "add"}]}

    async def spoken(provider: Provider, caller: Person) -> int:
        body = await answer_to(provider, say, caller, thread="t")
        return sum(message["role"] == "user" for message in body["structuredContent"]["messages"])

    async with opened(surroundings, "graphs.py:adder") as provider:
        assert await spoken(provider, ann) == 1
    async with opened(surroundings, "graphs.py:adder") as provider:
        assert await spoken(provider, ann) == 2
        assert await spoken(provider, modern(identity="bob")) == 1


async def test_a_run_that_a_program_began_goes_on_in_the_hub(
    surroundings: Surroundings, langgraph_python: Path, model: ModelServer
) -> None:
    program: Json = {"isolation": "process", "python": str(langgraph_python), "env": {"MODEL_URL": model.url}}
    params: Json = {"name": "work", "arguments": {"amount": 9}}
    async with opened(surroundings, "graphs.py:payment", **program) as provider:
        asked = await provider.call(params, modern())
    assert isinstance(asked, Questions)
    answers: Json = {key: {"action": "accept", "content": {"approved": True}} for key in asked.body["inputRequests"]}
    async with opened(surroundings, "graphs.py:payment") as provider:
        again: Json = {**params, "inputResponses": answers, "requestState": asked.body["requestState"]}
        answer = await provider.call(again, modern())
    assert isinstance(answer, Answer)
    assert answer.body["structuredContent"] == {"receipt": "pay about 9"}


async def test_a_graph_that_does_not_end_meets_its_step_limit(surroundings: Surroundings) -> None:
    async with opened(surroundings, "graphs.py:endless", step_limit=5) as provider:
        body = await answer_to(provider, {"topic": "x"})
    assert body["content"][0]["text"] == "step_limit: the graph did not end within 5 steps"


async def test_a_whole_project_is_taken_by_its_names(surroundings: Surroundings) -> None:
    async with opened(surroundings, "langgraph.json") as provider:
        assert [tool["name"] for tool in await provider.list("tools")] == ["eight", "pay"]
    async with opened(surroundings, "langgraph.json:pay") as provider:
        assert [tool["name"] for tool in await provider.list("tools")] == ["work"]


async def test_a_graph_that_blocks_its_loop_does_not_hold_up_the_hub(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    (tmp_path / "blocking_graph.py").write_text(BLOCKING)
    bodies: list[Json] = []

    async def call(provider: Provider) -> None:
        bodies.append(await answer_to(provider, {"word": "done"}))

    async with opened(surroundings, "blocking_graph.py:build", tmp_path) as provider:
        await provider.list("tools")
        graph = sys.modules["blocking_graph"]
        entered: threading.Event = graph.arrived
        async with anyio.create_task_group() as calls:
            calls.start_soon(call, provider)
            assert await anyio.to_thread.run_sync(entered.wait, 30)
            graph.opened.set()
    assert bodies[0]["structuredContent"] == {"word": "done!"}


async def test_a_run_stops_at_a_step_when_the_hub_ends_and_goes_on_with_the_next(
    surroundings: Surroundings, model: ModelServer
) -> None:
    topic = "ends in the middle"
    gate = model.hold("n3", topic)
    ended: list[type[Exception]] = []

    async def call(provider: Provider) -> None:
        try:
            await answer_to(provider, {"topic": topic}, idempotencyKey="run")
        except UpstreamDownError as error:
            ended.append(type(error))

    async def open_once_it_ends(provider: Provider) -> None:
        while not ended:
            try:
                await answer_to(provider, {"topic": "meanwhile"})
            except UpstreamDownError:
                gate.opened.set()
                return

    async with anyio.create_task_group() as calls, opened(surroundings, "graphs.py:eight_nodes") as provider:
        calls.start_soon(call, provider)
        await arrived(gate)
        calls.start_soon(open_once_it_ends, provider)
    assert ended == [UpstreamDownError]
    assert dict(model.calls(topic)) == {f"n{place}": 1 for place in range(4)}
    async with opened(surroundings, "graphs.py:eight_nodes") as provider:
        body = await answer_to(provider, {"topic": topic}, idempotencyKey="run")
    assert body["structuredContent"]["trail"] == [f"n{place} about {topic}" for place in range(8)]
    assert dict(model.calls(topic)) == {f"n{place}": 1 for place in range(8)}


async def test_code_that_blocks_for_ever_does_not_keep_the_hub_from_ending(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stuck_graph.py").write_text(BLOCKING)
    for module, name in ((inprocess, "GRACE_S"), (inprocess, "ANSWERS_S"), (side_loop, "END_S")):
        monkeypatch.setattr(module, name, 0.1)
    ended: list[str] = []

    async def call(provider: Provider) -> None:
        try:
            await answer_to(provider, {"word": "never"})
        except UpstreamDownError as error:
            ended.append(str(error))

    async with (
        anyio.create_task_group() as calls,
        opened(surroundings, "stuck_graph.py:build", tmp_path) as provider,
    ):
        await provider.list("tools")
        calls.start_soon(call, provider)
        entered: threading.Event = sys.modules["stuck_graph"].arrived
        assert await anyio.to_thread.run_sync(entered.wait, 30)
    assert ended == ["work is being stopped"]
    (thread,) = (each for each in threading.enumerate() if each.name == "graphs work")
    sys.modules["stuck_graph"].opened.set()
    await anyio.to_thread.run_sync(thread.join, 30)
    assert not thread.is_alive()


async def problem_of(surroundings: Surroundings, graph: str, project: Path = PROJECT) -> str:
    async with opened(surroundings, graph, project) as provider:
        with pytest.raises(UpstreamDownError):
            await provider.list("tools")
        assert provider.state.phase == "down"
        return str(provider.state.problem)


async def test_a_hub_without_langgraph_says_what_to_install(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "langgraph.graph", None)
    assert await problem_of(surroundings, "graphs.py:research") == (
        "isolation: found `inprocess`, and no langgraph in the hub's environment; expected it there; "
        "install `interop-hub[langgraph]`, or leave `isolation` out"
    )


async def test_an_import_that_fails_is_told_without_its_text(surroundings: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "failing_graph.py").write_text("raise RuntimeError('sk-MARKER')\n")
    path = list(sys.path)
    problem = await problem_of(surroundings, "failing_graph.py:build", tmp_path)
    assert problem == "the import of `failing_graph` raises RuntimeError"
    assert surroundings.log_path is not None
    assert "RuntimeError: sk-MARKER" in surroundings.log_path.read_text()
    assert sys.path[: len(path)] == path, "the hub's own modules come first"


def test_what_needs_a_process_is_refused() -> None:
    with pytest.raises(ValueError, match="starts no process, so it goes without `python`, `env`, `workers`"):
        GraphSettings(graph="a:b", isolation="inprocess", python="python3", env={"A": "b"}, workers=2)


def ask(hub: RunningHub, **more: Any) -> Json:
    """One round of the paying graph's call, by a client that can answer."""
    port = int(hub.address.rpartition(":")[2])
    meta = {**envelope({"elicitation": {"form": {}}}), "hub/idempotencyKey": "pay once"}
    params: Json = {"name": "pay", "arguments": {"amount": 7}, "_meta": meta, **more}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "pay"}
    with Wire(port, timeout_s=30) as wire:
        return wire.exchange(post(message, headers=headers, port=port)).messages()[-1]["result"]


def test_a_question_outlives_a_killed_hub(tmp_path: Path, model: ModelServer) -> None:
    configuration = f"graphs:\n  pay: {{graph: 'graphs.py:payment', project: {PROJECT}, isolation: inprocess}}\n"
    variables = {"MODEL_URL": model.url}
    with open_hub(tmp_path, configuration, environment=variables) as hub:
        asked = ask(hub)
        os.kill(hub.program.pid, signal.SIGKILL)
        hub.program.wait_for_end()
    ((key, question),) = asked["inputRequests"].items()
    assert question["params"]["message"] == "Pay 7?"
    answers: Json = {key: {"action": "accept", "content": {"approved": True}}}
    with open_hub(tmp_path, configuration, environment=variables) as hub:
        body = ask(hub, inputResponses=answers, requestState=asked["requestState"])
    assert body["structuredContent"] == {"receipt": "pay about 7"}
