"""The runner as a context: what comes out of its block, and what it refuses at its opening."""

from collections.abc import Callable

import pytest

from hub import AgentRunner, DurableAgent

RunnerOf = Callable[..., AgentRunner]


async def test_an_error_of_the_block_comes_out_as_it_is(runner_of: RunnerOf) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with runner_of(DurableAgent(model="offline")):
            raise KeyError("mine")
