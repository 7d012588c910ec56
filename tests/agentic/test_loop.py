"""The default loop: a model that calls tools until it answers, each call a step."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from hub import AgentRunner, DurableAgent, tool
from hub.agents import Hooks, ToolCall, ToolError, ToolResult, Totals
from hub.workflows import RetryPolicy, RunFailedError
from tests.agentic.model_server import ModelServer, calls, refuses, says
from tests.agentic.patience import until

RunnerOf = Callable[..., AgentRunner]
FAST = RetryPolicy(max_attempts=3, first_delay_s=0.01)


class Forecast(BaseModel):
    place: str
    degrees: int


class WeatherAgent(DurableAgent):
    system_prompt = "You know the weather."
    model_retry = FAST

    @tool
    def degrees(self, place: str) -> int:
        """How warm it is."""
        if place == "Atlantis":
            raise ToolError("there is no such place; ask for another")
        if place == "Hades":
            raise RuntimeError("/etc/secret")
        return {"Bern": 7, "Cairo": 31}.get(place, 0)


async def test_tools_are_called_and_told_until_the_model_answers(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(calls(("degrees", {"place": "Bern"}), ("degrees", {"place": "Cairo"})), says("7 and 31"))
    agent = WeatherAgent(model=models.model)
    async with runner_of(agent) as runner:
        run_id = await runner.start_run(agent, "How warm is it in Bern and Cairo?")
        assert await runner.runs.result(run_id, timeout_s=20) == "7 and 31"
        steps = [each.name for each in await runner.runs.history(run_id) if each.kind == "taskScheduled"]
        totals = await runner.totals(run_id)
    assert steps == ["hub.agents.model", "weather_agent.degrees", "weather_agent.degrees", "hub.agents.model"]
    assert models.messages(1)[0] == ("system", "You know the weather.")
    assert [content for role, content in models.messages(1) if role == "tool"] == ["7", "31"]
    assert [each["function"]["name"] for each in models.requests[0]["tools"]] == ["degrees"]
    assert totals == Totals(model_calls=2, input_tokens=20, output_tokens=10, cost_usd=None)


async def test_a_final_answer_on_the_last_turn_counts(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(calls(("degrees", {"place": "Bern"})), says("7"))
    async with runner_of(WeatherAgent(model=models.model, max_turns=2)) as runner:
        assert await runner.run("Bern?", timeout_s=20) == "7"


async def test_a_model_that_never_answers_ends_at_the_limit(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(*[calls(("degrees", {"place": "Bern"}))] * 3)
    async with runner_of(WeatherAgent(model=models.model, max_turns=2)) as runner:
        with pytest.raises(RunFailedError, match="no answer within 2 turns"):
            await runner.run("Bern?", timeout_s=20)
    assert len(models.requests) == 2


async def test_what_goes_wrong_with_a_tool_is_told_to_the_model_without_secrets(
    runner_of: RunnerOf, models: ModelServer
) -> None:
    models.plays(
        calls(
            ("degrees", {"place": "Atlantis"}),
            ("degrees", {"place": "Hades"}),
            ("degrees", {"city": "Bern"}),
            ("nothing", {}),
        ),
        says("sorry"),
    )
    async with runner_of(WeatherAgent(model=models.model)) as runner:
        assert await runner.run("Everywhere?", timeout_s=20) == "sorry"
    told = [json.loads(content)["error"] for role, content in models.messages(1) if role == "tool"]
    assert told[0] == "there is no such place; ask for another"
    assert told[1] == "tool_failed: degrees failed with RuntimeError"
    assert told[2].startswith("invalid_input: tool WeatherAgent.degrees: argument `place` is missing")
    assert told[3] == "there is no tool 'nothing'"


class Meeting(DurableAgent):
    """Its tools end only when both are under way, or tell that they were alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.inside: list[str] = []
        self.most = 0
        self.both = anyio.Event()

    @tool
    async def enter(self, who: str) -> int:
        self.inside.append(who)
        self.most = max(self.most, len(self.inside))
        if len(self.inside) == 2:
            self.both.set()
        if self.parallel_tools:
            with anyio.fail_after(10):
                await self.both.wait()
        self.inside.remove(who)
        return self.most


@pytest.mark.parametrize(("parallel", "most"), [(True, 2), (False, 1)])
async def test_tools_of_one_turn_run_at_once_or_one_after_the_other(
    runner_of: RunnerOf, models: ModelServer, parallel: bool, most: int
) -> None:
    models.plays(calls(("enter", {"who": "a"}), ("enter", {"who": "b"})), says("done"))
    agent = Meeting(model=models.model, parallel_tools=parallel)
    async with runner_of(agent) as runner:
        assert await runner.run("Meet.", timeout_s=20) == "done"
    assert agent.most == most


async def test_a_run_ends_with_a_filled_in_form(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(
        calls(("degrees", {"place": "Bern"})),
        calls(("final_result", {"place": "Bern", "degrees": "warm"})),
        calls(("final_result", {"place": "Bern", "degrees": 7})),
    )
    agent = WeatherAgent(model=models.model, output_type=Forecast)
    async with runner_of(agent) as runner:
        assert await runner.run("Bern?", timeout_s=20) == {"place": "Bern", "degrees": 7}
    assert "degrees: Input should be a valid integer" in str(models.messages(2)[-1])


async def test_the_models_methods_generate_chat_summarize_and_fill_in(runner_of: RunnerOf, models: ModelServer) -> None:
    class Writer(DurableAgent):
        model_retry = FAST

        async def write(self, topic: str) -> list[Any]:
            form = await self.llm.structured(Forecast, f"Weather of {topic}?")
            return [
                await self.llm.generate(f"Write about {topic}."),
                await self.llm.chat("Hello"),
                await self.llm.summarize([{"title": topic}]),
                form.degrees,
                self.totals.model_calls,
                self.totals.input_tokens,
            ]

    models.plays(calls(("final_result", {"place": "x", "degrees": 3})), says("one"), says("two"), says("three"))
    agent = Writer(model=models.model)
    async with runner_of(agent):
        assert await agent.write("cats") == ["one", "two", "three", 3, 4, 40]
    assert models.messages(3)[-1] == ("user", '[{"title": "cats"}]')


@dataclass
class Recorded(Hooks):
    seen: list[str]

    async def before_tool(self, call: ToolCall) -> ToolCall | ToolResult:
        self.seen.append(call.tool)
        if call.arguments["place"] == "Cairo":
            return ToolResult(content="not allowed", failed=True)
        return call.with_arguments({"place": "Bern"})

    async def after_tool(self, call: ToolCall, result: ToolResult) -> ToolResult:
        return ToolResult(content=f"about {result.content}")


async def test_hooks_change_and_refuse_calls(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(calls(("degrees", {"place": "Oslo"}), ("degrees", {"place": "Cairo"})), says("ok"))
    async with runner_of(WeatherAgent(model=models.model, hooks=[Recorded([])])) as runner:
        assert await runner.run("Both?", timeout_s=20) == "ok"
    assert [content for role, content in models.messages(1) if role == "tool"] == [
        "about 7",
        '{"error":"not allowed"}',
    ]


class Approving(Hooks):
    def __init__(self, agent: "list[DurableAgent]") -> None:
        self.agent = agent

    async def before_tool(self, call: ToolCall) -> ToolCall | ToolResult:
        reply = await self.agent[0].context.ask(f"May {call.tool} run?")
        return call if reply.accepted else ToolResult(content="the user said no", failed=True)


async def test_a_hook_may_ask_a_person_and_the_run_waits(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(calls(("degrees", {"place": "Bern"})), says("7"))
    holder: list[DurableAgent] = []
    agent = WeatherAgent(model=models.model, hooks=[Approving(holder)])
    holder.append(agent)
    async with runner_of(agent) as runner:
        run_id = await runner.start_run("Bern?")
        with anyio.fail_after(20):
            open_questions = await until(lambda: runner.questions.list(run_id=run_id))
            await runner.questions.answer(open_questions[0].id, {"action": "accept", "content": {}})
            assert await runner.runs.result(run_id) == "7"
    assert models.messages(1)[-1] == ("tool", "7")


async def test_an_agent_calls_another_as_a_child_run(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(
        calls(("weather_agent", {"task": "Bern?"})), calls(("degrees", {"place": "Bern"})), says("7"), says("It is 7.")
    )
    boss = DurableAgent(name="boss", model=models.model, tools=[WeatherAgent(model=models.model)])
    async with runner_of(boss) as runner:
        run_id = await runner.start_run(boss, "Ask about Bern.")
        assert await runner.runs.result(run_id, timeout_s=20) == "It is 7."
        children = [s for s in await runner.runs.list(children=True) if s.run_id.startswith(f"{run_id}:")]
    assert [(each.workflow, each.status) for each in children] == [("weather_agent.run", "completed")]


async def test_a_plain_function_is_a_tool(runner_of: RunnerOf, models: ModelServer) -> None:
    async def double(number: int, key: str = "k") -> int:
        """Twice the number."""
        return number * 2

    models.plays(calls(("double", {"number": 4, "key": "x"})), says("8"))
    async with runner_of(DurableAgent(model=models.model, tools=[double])) as runner:
        assert await runner.run("Twice four?", timeout_s=20) == "8"
    assert models.messages(1)[-1] == ("tool", "8")


async def test_an_attribute_set_in_a_durable_method_fails_the_run(runner_of: RunnerOf) -> None:
    class Careless(DurableAgent):
        count = 0

        async def work(self) -> int:
            self.count += 1
            return self.count

    agent = Careless(model="offline")
    async with runner_of(agent):
        with pytest.raises(RunFailedError, match="attribute `count` is set in a durable function"):
            await agent.work()


async def test_a_durable_method_calls_another_of_its_agent_within_the_run(runner_of: RunnerOf) -> None:
    class Nested(DurableAgent):
        async def outer(self) -> str:
            parts = await self.context.gather(self.inner("a"), self.inner("b"))
            return "".join(parts)

        async def inner(self, part: str) -> str:
            return part + ((self.thread == self.context.run_id and "!") or "?")

    agent = Nested(model="offline")
    async with runner_of(agent) as runner:
        assert await agent.outer() == "a!b!"
        assert [each.workflow for each in await runner.runs.list(children=True, workflow="nested.inner")] == []


async def test_passing_refusals_of_the_provider_are_tried_again(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(refuses(503), refuses(500), says("there"))
    async with runner_of(WeatherAgent(model=models.model)) as runner:
        assert await runner.run("Hello?", timeout_s=20) == "there"
    keys = {each["idempotency-key"] for each in models.headers}
    assert len(models.requests) == 3
    assert len(keys) == 1


async def test_a_final_refusal_fails_the_run_once_and_tells_no_secret(runner_of: RunnerOf, models: ModelServer) -> None:
    models.plays(refuses(401))
    async with runner_of(WeatherAgent(model=models.model)) as runner:
        with pytest.raises(
            RunFailedError, match="answered 401: it does not take the key; look at HUB_MODEL_KEY"
        ) as told:
            await runner.run("Hello?", timeout_s=20)
    assert len(models.requests) == 1
    assert "sk-secret" not in str(told.value)


async def test_a_model_that_is_missing_is_named_by_the_first_call(runner_of: RunnerOf) -> None:
    async with runner_of(DurableAgent()) as runner:
        with pytest.raises(RunFailedError, match="set HUB_MODEL"):
            await runner.run("Hello?", timeout_s=30)
