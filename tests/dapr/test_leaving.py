"""A worker that leaves in the middle of a run leaves a Dapr that goes on: daprd 1.18.2 can come to hang there."""

import logging
from collections.abc import Generator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hub.app.dapr_programs import HOST, DaprSetup
from hub.workflows import (
    Context,
    DaprAddress,
    DaprDownError,
    Functions,
    Runs,
    open_connection,
    open_worker,
    step,
    workflow,
)
from hub.workflows.stuck import tell_if_stuck
from tests.sidecar.processes import DaprApi, running_sidecar
from tests.sidecar.scenario import wait_for_workers
from tests.tooling.dapr import find_programs, open_dapr
from tests.tooling.event_loop import one_event_loop

__all__ = ["one_event_loop"]

CYCLES = 12
"""Without the care that a leaving worker takes, one of three or four hangs."""


class Progress:
    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.count = 0
        self.reached = anyio.Event()

    def mark(self) -> None:
        self.count += 1
        if self.count == 3:
            self.reached.set()


progress = Progress()


@step(name="short")
async def short(n: int) -> int:
    progress.mark()
    return n


@workflow
async def short_child(ctx: Context, n: int) -> int:
    return await ctx.step(short, n)


@workflow
async def many_steps(ctx: Context) -> int:
    return sum(await ctx.gather(*[ctx.step(short, n) for n in range(8)]))


@workflow
async def many_children(ctx: Context) -> int:
    return sum(await ctx.gather(*[ctx.child(short_child, n) for n in range(8)]))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprSetup]:
    programs = find_programs()
    assert programs is not None
    with open_dapr(programs, tmp_path_factory.mktemp("leaving"), "redis") as setup:
        yield setup


@pytest.mark.daprd
@pytest.mark.skipif(find_programs() is None, reason="Dapr's own programs were not found (`make dapr`)")
async def test_the_next_worker_goes_on_with_what_the_one_before_left(real: DaprSetup) -> None:
    functions = Functions([many_steps, many_children, short_child], [short])
    started: list[str] = []
    async with open_connection(DaprAddress(grpc_port=real.ports.grpc)) as connection:
        runs = Runs(connection)
        with anyio.fail_after(90):
            for number in range(CYCLES):
                progress.begin()
                async with open_worker(connection, functions):
                    started.append(await runs.start((many_steps, many_children)[number % 2]))
                    await progress.reached.wait()
            async with open_worker(connection, functions):
                results = [await runs.result(run_id) for run_id in started]
    assert results == [sum(range(8))] * CYCLES


@workflow
async def waits(ctx: Context) -> None:
    await ctx.wait_event("go")


@pytest.mark.daprd
@pytest.mark.skipif(find_programs() is None, reason="Dapr's own programs were not found (`make dapr`)")
async def test_an_event_without_a_worker_may_be_sent_again_later(real: DaprSetup) -> None:
    async with open_connection(DaprAddress(grpc_port=real.ports.grpc)) as connection:
        runs = Runs(connection)
        async with open_worker(connection, Functions([waits])):
            run_id = await runs.start(waits)
        api = DaprApi(kind="daprd-redis", host=HOST, grpc_port=real.ports.grpc, http_port=real.ports.http)
        await anyio.to_thread.run_sync(wait_for_workers, api, 0)  # Dapr may not have seen yet that it left
        with pytest.raises(DaprDownError, match="no worker is connected to Dapr at"):
            await runs.send(run_id, "go")
        async with open_worker(connection, Functions([waits])):
            await runs.send(run_id, "go")
            assert (await runs.wait(run_id, timeout_s=20)).status == "completed"


async def test_a_dapr_that_takes_no_worker_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_sidecar(tmp_path / "s.db") as sidecar, caplog.at_level(logging.ERROR):
        async with open_connection(DaprAddress(grpc_port=sidecar.api.grpc_port)) as connection:
            async with open_worker(connection, Functions()):
                await tell_if_stuck(connection, 0.01)
            assert not caplog.records
            with anyio.fail_after(20):
                while not caplog.records:  # the sidecar may not have seen yet that the worker is gone
                    await tell_if_stuck(connection, 0.01)
    assert "has not taken this worker" in caplog.text
