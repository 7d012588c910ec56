"""A daprd that is killed while runs start children and children end: each run ends.

Without the care of `hub.workflows.crossing`, daprd 1.18.2 leaves a run and its child waiting for each other for ever in
one of five rounds of five kills.
"""

import random
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hub.workflows import Context, DaprAddress, Functions, Runs, open_connection, open_worker, step, workflow
from tests.sidecar.own import Kind, open_own_sidecar
from tests.tooling.dapr import find_programs
from tests.tooling.event_loop import one_event_loop

__all__ = ["one_event_loop"]

pytestmark = [
    pytest.mark.crash,
    pytest.mark.daprd,
    pytest.mark.skipif(find_programs() is None, reason="Dapr's own programs were not found (`make dapr`)"),
]

KILLS_A_ROUND = 5
RUNS_A_ROUND = 20
CHILDREN = 6


@step(name="told")
async def told(n: int) -> int:
    return n


@workflow
async def teller(ctx: Context, n: int) -> int:
    return await ctx.step(told, n)


@workflow
async def one_after_the_other(ctx: Context) -> int:
    total = 0
    for n in range(CHILDREN):
        total += await ctx.child(teller, n)
    return total


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_runs_with_children_end_whenever_daprd_is_killed(kind: Kind, tmp_path: Path, full: bool) -> None:
    chance = random.Random(20261127)
    functions = Functions([one_after_the_other, teller], [told])
    results: list[int] = []
    rounds = 8 if full else 2
    with open_own_sidecar(kind, tmp_path) as sidecar:
        async with (
            open_connection(DaprAddress(grpc_port=sidecar.api.grpc_port)) as connection,
            open_worker(connection, functions),
        ):
            runs = Runs(connection)
            for _ in range(rounds):
                started = [await runs.start(one_after_the_other) for _ in range(RUNS_A_ROUND)]
                for _ in range(KILLS_A_ROUND):
                    await anyio.sleep(chance.uniform(0, 0.5))
                    await anyio.to_thread.run_sync(sidecar.kill)
                    await anyio.to_thread.run_sync(sidecar.start)
                with anyio.fail_after(30):
                    results += [await runs.result(run_id) for run_id in started]
    assert results == [sum(range(CHILDREN))] * rounds * RUNS_A_ROUND
