"""Runs of mixed shape whose every effect stands in the ledger, and the worker process that is killed under them.

`python -m tests.durable.crash_flows GRPC_PORT LEDGER_PORT` serves until it is killed.
"""

import random
import sys

import anyio

from hub.questions import Questions
from hub.workflows import (
    Context,
    DaprAddress,
    Functions,
    RetryAfterError,
    RetryPolicy,
    current_step,
    open_connection,
    open_worker,
    workflow,
)
from hub.workflows.worker import WorkerSettings
from tests.durable.ledger import write_effect

ledger_port = 0
SHAPES = ("steps", "timers", "children", "events", "questions", "retries", "limits", "wide")


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
        case _:
            return sum(await ctx.gather(*[ctx.step(effect, 1) for _ in range(10)]))


async def serve(grpc_port: int) -> None:
    async with open_connection(DaprAddress(grpc_port=grpc_port)) as connection:
        functions = Functions([mixed, chain_of_effects])
        Questions(connection).add_steps(functions.steps)
        async with open_worker(connection, functions, WorkerSettings(start_timeout_s=300)):
            await anyio.sleep_forever()


if __name__ == "__main__":
    from tests.durable import crash_flows  # the module under its own name, as histories know it

    crash_flows.ledger_port = int(sys.argv[2])
    anyio.run(crash_flows.serve, int(sys.argv[1]))
