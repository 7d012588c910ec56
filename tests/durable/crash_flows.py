"""Runs of mixed shape whose every effect stands in the ledger, and the worker process that is killed under them.

`main` with the arguments GRPC_PORT LEDGER_PORT MODEL HUB_URL STATE serves until it is killed.
"""

import random
import sys

import anyio

from hub import AgentRunner, DurableAgent, MCPToolProvider, tool
from hub.workflows import (
    Context,
    DaprAddress,
    RetryAfterError,
    RetryPolicy,
    WorkerSettings,
    current_step,
    workflow,
)
from tests.durable.ledger import write_effect

ledger_port = 0
SHAPES = (
    *("steps", "timers", "children", "events", "questions", "retries", "limits", "wide"),
    *("tools", "models", "agents"),
)


async def effect(n: int) -> int:
    """One effect in the world, then some time until the step is done."""
    info = current_step()
    assert info is not None
    await write_effect(ledger_port, info.key)
    await anyio.sleep(random.uniform(0, 0.05))
    return n


async def effect_at_second_try(n: int) -> int:
    info = current_step()
    assert info is not None
    if info.attempt == 1:
        raise ConnectionError("the first attempt fails")
    return await effect(n)


async def effect_after_a_limit(n: int) -> int:
    info = current_step()
    assert info is not None
    if info.attempt <= 2:
        raise RetryAfterError(0.4)
    return await effect(n)


class Teller(DurableAgent):
    """Comes to ten, with the tools of a hub, with a model, or with both."""

    @tool
    async def note(self, n: int) -> int:
        """Note a number."""
        return await effect(n)

    async def by_tools(self) -> int:
        return sum([int(await self.call_tool("world__give", {"n": n})) for n in (1, 2, 3, 4)])

    async def by_model(self) -> int:
        return sum([int(await self.llm.generate(f"Say {n}")) for n in (1, 2, 3, 4)])


@workflow
async def chain_of_effects(ctx: Context, count: int) -> int:
    total = 0
    for n in range(count):
        total += await ctx.step(effect, n)
    return total


@workflow
async def mixed(ctx: Context, shape: str) -> int:
    """Has the result 10, whichever shape."""
    match shape:
        case "steps":
            return await chain_of_effects(ctx, 5)
        case "timers":
            total = await ctx.step(effect, 4)
            await ctx.sleep(0.5)
            return total + await ctx.step(effect, 6)
        case "children":
            one, other = await ctx.gather(ctx.child(chain_of_effects, 4), ctx.child(chain_of_effects, 3))
            return one + other + await ctx.step(effect, 1)
        case "events":
            total = await ctx.step(effect, 1)
            total += await ctx.wait_event("nine")
            await ctx.step(effect, 0)
            return total
        case "questions":
            await ctx.step(effect, 0)
            reply = await ctx.ask("Ten?")
            return await ctx.step(effect, 10 if reply.accepted else 0)
        case "retries":
            return await ctx.step(effect_at_second_try, 10, retry=RetryPolicy(first_delay_s=0.1))
        case "limits":
            return await ctx.step(effect_after_a_limit, 10)
        case "tools":
            return await ctx.child("teller.by_tools")
        case "models":
            return await ctx.child("teller.by_model")
        case "agents":
            return int(await ctx.child("teller.run", task="Come to ten."))
        case _:
            return sum(await ctx.gather(*[ctx.step(effect, 1) for _ in range(10)]))


async def serve(grpc_port: int, model: str, hub_url: str, state: str) -> None:
    runner = AgentRunner(
        Teller(model=model, tools=[MCPToolProvider(hub_url)]),
        workflows=[mixed, chain_of_effects],
        dapr=DaprAddress(grpc_port=grpc_port),
        state_dir=state,
        worker=WorkerSettings(start_timeout_s=300),
    )
    async with runner:
        await anyio.sleep_forever()


def main() -> None:
    global ledger_port
    ledger_port = int(sys.argv[2])
    anyio.run(serve, int(sys.argv[1]), sys.argv[3], sys.argv[4], sys.argv[5])
