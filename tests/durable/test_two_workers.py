"""Several workers on one Dapr, and workers that go away."""

import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from threading import Event

import anyio
import pytest

from hub.workflows import DaprAddress, Functions, RunFailedError, Runs, open_connection, open_worker
from hub.workflows.worker import WorkerSettings
from tests.durable import flows
from tests.durable.flows import STEPS, build_functions, calls, gates
from tests.sidecar.processes import running_sidecar


@pytest.fixture
async def own_address(tmp_path: Path) -> AsyncGenerator[DaprAddress]:
    """A sidecar that no other worker is on."""
    with running_sidecar(tmp_path / "own.db") as sidecar:
        yield DaprAddress(grpc_port=sidecar.api.grpc_port)


async def test_two_workers_share_the_runs(own_address: DaprAddress) -> None:
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(open_connection(own_address)) for _ in range(3)]
        for each in connections[:2]:
            await stack.enter_async_context(open_worker(each, build_functions()))
        runs = Runs(connections[2])
        results: dict[int, object] = {}

        async def one(x: int) -> None:
            results[x] = await runs.run(flows.chain, {"x": x}, timeout_s=30)

        async with anyio.create_task_group() as group:
            for x in range(40):
                group.start_soon(one, x)
        assert results == {x: {"r": x + 2} for x in range(40)}


async def test_a_run_goes_on_where_another_worker_left_it(own_address: DaprAddress) -> None:
    run_id = uuid.uuid4().hex
    async with open_connection(own_address) as connection:
        runs = Runs(connection)
        async with open_worker(own_address, build_functions()):
            await runs.start(flows.race_then_wait, run_id=run_id)
            with anyio.fail_after(10):
                async for each in runs.events(run_id):
                    if getattr(each, "shown", {}).get("status") == "waiting again":
                        break
        await runs.send(run_id, "go", 1)
        async with open_worker(own_address, build_functions()):
            assert await runs.result(run_id, timeout_s=10) == [[1, None], 1]


async def test_a_step_that_is_handed_out_again_to_the_same_worker_runs_once(
    tmp_path: Path,
) -> None:
    run_id = uuid.uuid4().hex
    gates[run_id] = Event()
    with running_sidecar(tmp_path / "own.db") as first:
        async with open_connection(DaprAddress(grpc_port=first.api.grpc_port)) as connection:
            runs = Runs(connection)
            async with open_worker(connection, build_functions()) as worker:
                await runs.start(flows.holds, {"gate": run_id}, run_id=run_id)
                with anyio.fail_after(10):
                    while not calls[f"held {run_id}"]:  # noqa: ASYNC110 - a counter, not an event
                        await anyio.sleep(0.01)
                first.kill()
                with running_sidecar(tmp_path / "own.db", grpc_port=first.api.grpc_port):
                    with anyio.fail_after(20):
                        await worker.wait_ready()
                    gates[run_id].set()
                    assert await runs.result(run_id, timeout_s=20) == run_id
    assert calls[f"held {run_id}"] == 1


async def test_a_waiting_rate_limit_holds_no_slot(own_address: DaprAddress) -> None:
    counter = uuid.uuid4().hex
    async with open_connection(own_address) as connection:
        runs = Runs(connection)
        async with open_worker(connection, build_functions(), WorkerSettings(max_steps=1)) as worker:
            arguments = {"counter": counter, "refusals": 1, "after_s": 600.0}
            await runs.start(flows.rate_limited, arguments, run_id=counter)
            with anyio.fail_after(10):
                async for each in runs.events(counter):
                    if getattr(each, "kind", "") == "timerCreated":
                        break
            assert worker.steps_running == 0
            assert await runs.run(flows.chain, {"x": 1}, timeout_s=10) == {"r": 3}
            assert not (await runs.status(counter)).is_finished
            await runs.cancel(counter)


async def test_a_step_that_no_worker_knows_fails_with_its_name(own_address: DaprAddress) -> None:
    async with open_connection(own_address) as connection, open_worker(connection, Functions([flows.bad_argument])):
        with pytest.raises(RunFailedError, match=r"this worker has no step 'tests.durable.flows:nowhere'"):
            await Runs(connection).run(flows.bad_argument, {"which": "unknown"}, timeout_s=10)


async def test_a_version_that_no_worker_has_waits_for_one_that_has_it(own_address: DaprAddress) -> None:
    run_id = uuid.uuid4().hex
    gates[run_id] = Event()
    async with open_connection(own_address) as connection:
        runs = Runs(connection)
        versions = [flows.versioned_1, flows.versioned_2]
        async with open_worker(own_address, Functions(versions, STEPS)):
            await runs.start("versioned", {"event": "go"}, run_id=run_id)
            with anyio.fail_after(10):
                async for each in runs.events(run_id):
                    if getattr(each, "kind", "") == "timerCreated":
                        break
        async with open_worker(own_address, Functions([flows.versioned_1], STEPS)):
            await runs.send(run_id, "go")
            with anyio.fail_after(20):
                async for each in runs.events(run_id):
                    if getattr(each, "status", "") == "stalled":
                        break
        async with open_worker(own_address, Functions(versions, STEPS)):
            assert json.dumps(await runs.result(run_id, timeout_s=30)) == '"version 2"'
