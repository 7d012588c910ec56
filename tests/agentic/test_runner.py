"""The runner as a context: what comes out of its block, and what it refuses at its opening."""

from collections.abc import Callable

import pytest

from hub import AgentRunner, DurableAgent, memory
from hub.errors import HubError
from hub.events import Event
from hub.workflows.errors import MissingComponentError

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
