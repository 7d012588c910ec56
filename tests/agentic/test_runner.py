"""The runner as a context: what comes out of its block, and what it refuses at its opening."""

from collections.abc import Callable

import anyio
import pytest

from hub import AgentRunner, DurableAgent, memory
from hub.errors import HubError
from hub.events import Event
from hub.questions import QuestionRecord, Questions
from hub.workflows import Context, DaprAddress, DaprDownError, open_connection, workflow
from hub.workflows.components import Need, check_components
from hub.workflows.errors import MissingComponentError
from tests.agentic.patience import until
from tests.tooling.ports import free_port

RunnerOf = Callable[..., AgentRunner]


async def test_an_error_of_the_block_comes_out_as_it_is(runner_of: RunnerOf) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with runner_of(DurableAgent(model="offline")):
            raise KeyError("mine")


async def test_a_broker_that_dapr_lacks_is_named_at_the_opening(runner_of: RunnerOf) -> None:
    runner = runner_of(DurableAgent(model="offline"), pubsub="nope")

    @runner.subscribe("news")
    async def read(event: Event) -> None: ...

    with pytest.raises(
        MissingComponentError, match=r"no pubsub component 'nope', which topic 'news' needs; it has pubsub"
    ):
        async with runner:
            pass


async def test_a_state_store_that_dapr_lacks_is_named_at_the_opening(runner_of: RunnerOf) -> None:
    with pytest.raises(MissingComponentError, match=r"no state component 'nope', which `ctx.ask` needs"):
        async with runner_of(DurableAgent(model="offline"), state_store="nope"):
            pass
    forgetful = DurableAgent(name="forgetful", model="offline", memory=memory.DaprState(store="none"))
    with pytest.raises(
        MissingComponentError, match=r"'none', which the memory of agent forgetful needs; it has statestore"
    ):
        async with runner_of(forgetful):
            pass
    async with runner_of(DurableAgent(name="forgetful", model="offline")) as runner:
        assert await runner.run("Hello", timeout_s=20)


async def test_publishing_to_a_broker_that_dapr_lacks_fails_at_once_and_names_it(runner_of: RunnerOf) -> None:
    agent = DurableAgent(name="herald", model="offline")
    async with runner_of(agent, pubsub="nope"):
        with pytest.raises(HubError, match=r"pubsub nope is not found"):
            await agent.publish("news", {})


@workflow
async def asks_for_more(ctx: Context) -> str | None:
    return (await ctx.ask("More?")).action


async def asked_by(runner: AgentRunner) -> tuple[str, QuestionRecord]:
    """A run that has asked, and what it asked."""
    run_id = await runner.runs.start(asks_for_more)
    with anyio.fail_after(20):
        asked = await until(lambda: runner.questions.list(run_id=run_id))
    return run_id, asked[0]


async def test_a_runner_tells_runs_of_answers_that_somebody_gave_and_died(
    runner_of: RunnerOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(self: Questions, record: QuestionRecord) -> None:
        raise KeyboardInterrupt

    agent = DurableAgent(model="offline")
    async with runner_of(agent, workflows=[asks_for_more]) as runner:
        run_id, question = await asked_by(runner)
        monkeypatch.setattr(Questions, "_wake", die)
        with pytest.raises(KeyboardInterrupt):
            await runner.questions.answer(question.id, {"action": "accept", "content": {}})
        monkeypatch.undo()
    async with runner_of(agent, workflows=[asks_for_more]) as runner:
        assert await runner.runs.result(run_id, timeout_s=20) == "accept"


async def test_a_dapr_that_is_away_stops_no_program(one_event_loop: None) -> None:
    """Its components stay unchecked: a runner that opens while Dapr is being started again goes on."""
    async with open_connection(DaprAddress(grpc_port=free_port())) as connection:
        await check_components(connection, [Need(kind="state", name="statestore", whose="a test")], patience_s=0.3)


async def test_a_dapr_without_a_worker_still_lists_questions(
    runner_of: RunnerOf, dapr: DaprAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a run cannot be told of its answer then; the next runner tells it."""

    async def away(self: Questions, record: QuestionRecord) -> None:
        raise DaprDownError("no worker is connected")

    agent = DurableAgent(model="offline")
    async with runner_of(agent, workflows=[asks_for_more]) as runner:
        run_id, question = await asked_by(runner)
        monkeypatch.setattr(Questions, "_wake", away)
        with pytest.raises(DaprDownError):
            await runner.questions.answer(question.id, {"action": "accept", "content": {}})
        monkeypatch.setattr("hub.questions.store.TELLING_S", 0.0)
        assert await runner.questions.list(run_id=run_id) == []
        assert await runner.questions.redeliver() == 0
        monkeypatch.undo()
        assert await runner.questions.redeliver() >= 1, "those of other runs on this Dapr count too"
        assert await runner.runs.result(run_id, timeout_s=20) == "accept"
