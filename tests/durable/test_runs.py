"""Runs from outside: start, wait, steer, look."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from threading import Event

import anyio
import pytest

from hub.errors import CallTimeoutError, InvalidInputError, UnknownNameError
from hub.workflows import (
    DaprAddress,
    DaprDownError,
    RunCancelledError,
    RunEvent,
    Runs,
    RunState,
    open_connection,
    open_worker,
)
from hub.workflows.errors import RunStateError
from hub.workflows.worker import WorkerSettings
from tests.durable import flows
from tests.durable.flows import build_functions, calls, gates
from tests.sidecar.daprd import free_ports

pytestmark = pytest.mark.usefixtures("hub_worker")


@pytest.fixture
def gate(run_id: str) -> Generator[Event]:
    """Holds the step of a `holds` run until it is set."""
    gates[run_id] = Event()
    yield gates[run_id]
    gates[run_id].set()


async def until(runs: Runs, run_id: str, status: str) -> RunState:
    with anyio.fail_after(10):
        async for each in runs.events(run_id):
            if isinstance(each, RunState) and each.status == status:
                return each
    raise AssertionError(f"{run_id} was never {status}")


async def until_scheduled(runs: Runs, run_id: str, kind: str) -> None:
    with anyio.fail_after(10):
        async for each in runs.events(run_id):
            if isinstance(each, RunEvent) and each.kind == kind:
                return


async def test_the_same_id_attaches_to_the_run_that_is_there(runs: Runs, run_id: str, gate: Event) -> None:
    assert await runs.start(flows.holds, {"gate": run_id}, run_id=run_id) == run_id
    assert await runs.start(flows.holds, {"gate": run_id}, run_id=run_id) == run_id
    gate.set()
    assert await runs.run(flows.holds, {"gate": run_id}, run_id=run_id, timeout_s=10) == run_id
    assert calls[f"held {run_id}"] == 1


async def test_the_same_id_attaches_to_a_finished_run_without_running_it_again(runs: Runs, run_id: str) -> None:
    assert await runs.run(flows.chain, {"x": 1}, run_id=run_id, timeout_s=10) == {"r": 3}
    assert await runs.run(flows.chain, {"x": 50}, run_id=run_id, timeout_s=10) == {"r": 3}


async def test_sixteen_starts_of_one_id_at_once_are_one_run(runs: Runs, run_id: str) -> None:
    gates[run_id] = Event()
    gates[run_id].set()
    results: list[str] = []

    async def start() -> None:
        results.append(await runs.run(flows.holds, {"gate": run_id}, run_id=run_id, timeout_s=20))

    async with anyio.create_task_group() as group:
        for _ in range(16):
            group.start_soon(start)
    assert results == [run_id] * 16
    assert calls[f"held {run_id}"] == 1


async def test_an_id_of_another_workflow_is_refused(runs: Runs, run_id: str) -> None:
    await runs.run(flows.chain, {"x": 1}, run_id=run_id, timeout_s=10)
    with pytest.raises(InvalidInputError, match=f"run {run_id} is one of chain, not of no_steps"):
        await runs.start(flows.no_steps, run_id=run_id)


async def test_a_wait_may_end_before_the_run_which_goes_on(runs: Runs, run_id: str, gate: Event) -> None:
    await runs.start(flows.holds, {"gate": run_id}, run_id=run_id)
    with pytest.raises(CallTimeoutError, match=r"has not ended within 0.2 s; it goes on"):
        await runs.wait(run_id, timeout_s=0.2)
    gate.set()
    assert (await runs.wait(run_id, timeout_s=10)).status == "completed"


async def test_a_delayed_start_waits_for_its_time(runs: Runs, run_id: str) -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.6)
    await runs.start(flows.chain, {"x": 1}, run_id=run_id, start_at=at)
    assert (await runs.status(run_id)).status == "pending"
    state = await runs.wait(run_id, timeout_s=20)
    assert state.result == {"r": 3}
    assert state.updated_at >= at - timedelta(seconds=0.05)


async def test_cancelling_a_run_ends_its_children_too(runs: Runs, run_id: str) -> None:
    await runs.start(flows.parent_of_sleeper, run_id=run_id)
    await until_scheduled(runs, run_id, "childWorkflowInstanceCreated")
    await until(runs, f"{run_id}-child", "running")
    await runs.cancel(run_id)
    with pytest.raises(RunCancelledError):
        await runs.result(run_id, timeout_s=10)
    assert (await runs.wait(f"{run_id}-child", timeout_s=10)).status == "cancelled"


async def test_a_paused_run_begins_nothing_until_it_is_resumed(runs: Runs, run_id: str) -> None:
    await runs.start(flows.typed_event, run_id=run_id)
    await until_scheduled(runs, run_id, "timerCreated")
    await runs.pause(run_id)
    assert (await runs.status(run_id)).status == "paused"
    await runs.send(run_id, "paper", {"title": "Bees", "year": 1999})
    with pytest.raises(CallTimeoutError):
        await runs.wait(run_id, timeout_s=0.3)
    await runs.resume(run_id)
    assert await runs.result(run_id, timeout_s=10) == "Bees (1999)"
    with pytest.raises(RunStateError, match="is completed: it cannot be paused"):
        await runs.pause(run_id)


async def test_the_history_tells_steps_keys_results_and_failures(runs: Runs, run_id: str) -> None:
    await runs.run(flows.given_up, {"counter": run_id, "never_on": "KeyError"}, run_id=run_id, timeout_s=10)
    entries = [each for each in await runs.history(run_id) if each.kind.startswith("task")]
    name = "tests.durable.flows:always_fails"
    assert [(each.kind, each.name, each.key, each.value) for each in entries] == [
        ("taskScheduled", name, f"{run_id}/{name}#1", {"counter": run_id}),
        ("taskFailed", None, None, None),
    ]
    failure = entries[1].failure
    assert failure is not None
    assert (failure.error_type, failure.reason) == ("KeyError", "'no such thing'")


async def test_events_follow_a_run_to_its_end(runs: Runs, run_id: str) -> None:
    await runs.start(flows.tells, run_id=run_id)
    seen: list[RunState | RunEvent] = []
    with anyio.fail_after(20):
        async for each in runs.events(run_id):
            seen.append(each)
            if isinstance(each, RunState) and each.shown.get("status") == "reading" and each.status == "running":
                await runs.send(run_id, "go")
    events = [each for each in seen if isinstance(each, RunEvent)]
    states = [each for each in seen if isinstance(each, RunState)]
    assert [each.number for each in events] == list(range(len(await runs.history(run_id))))
    assert events[-1].kind == "executionCompleted"
    assert (states[-1].status, states[-1].shown["status"]) == ("completed", "done")
    assert len({(each.status, str(each.shown)) for each in states}) == len(states)


async def test_runs_are_listed_by_workflow_status_and_time(runs: Runs, run_id: str, gate: Event) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    first = await runs.start(flows.holds, {"gate": run_id}, run_id=run_id)
    second = await runs.start(flows.chain, {"x": 1})
    await runs.wait(second, timeout_s=10)
    running = await runs.list(workflow="holds", statuses=["running", "pending"], since=before)
    assert [each.run_id for each in running] == [first]
    done = await runs.list(workflow="chain", statuses=["completed"], since=before, limit=1)
    assert [(each.run_id, each.arguments, each.result) for each in done] == [(second, None, None)]
    gate.set()
    await runs.wait(first, timeout_s=10)


async def test_children_are_listed_only_where_asked_for(runs: Runs, run_id: str) -> None:
    await runs.run(flows.parent, {"x": 1}, run_id=run_id, timeout_s=20)
    since = datetime.now(UTC) - timedelta(seconds=30)
    without = {each.run_id for each in await runs.list(since=since)}
    everything = {each.run_id for each in await runs.list(since=since, children=True)}
    assert run_id in without
    assert {f"{run_id}-named", f"{run_id}:tells_meta-1"} <= everything


async def test_a_finished_run_can_be_run_again_from_its_beginning(runs: Runs, run_id: str) -> None:
    await runs.run(flows.chain, {"x": 1}, run_id=run_id, timeout_s=10)
    again = await runs.rerun(run_id)
    assert again != run_id
    assert await runs.result(again, timeout_s=10) == {"r": 3}


async def test_a_finished_run_can_be_run_again_from_one_of_its_steps(runs: Runs, run_id: str) -> None:
    assert await runs.run(flows.counts_twice, {"counter": run_id}, run_id=run_id, timeout_s=10) == [1, 1]
    steps = [each for each in await runs.history(run_id) if each.kind == "taskScheduled"]
    again = await runs.rerun(run_id, from_event=steps[-1].event_id, new_run_id=f"{run_id}-again")
    assert again == f"{run_id}-again"
    assert await runs.result(again, timeout_s=10) == [1, 2]
    assert (calls[run_id], calls[f"{run_id} after"]) == (1, 2)


async def test_a_run_under_way_can_neither_be_deleted_nor_run_again(runs: Runs, run_id: str, gate: Event) -> None:
    await runs.start(flows.holds, {"gate": run_id}, run_id=run_id)
    with pytest.raises(RunStateError):
        await runs.delete(run_id)
    with pytest.raises(RunStateError):
        await runs.rerun(run_id)
    gate.set()
    await runs.wait(run_id, timeout_s=10)
    await runs.delete(run_id)
    with pytest.raises(UnknownNameError, match=f"there is no run {run_id}"):
        await runs.status(run_id)


async def test_a_run_that_is_not_there_is_an_unknown_name(runs: Runs) -> None:
    for call in (runs.status, runs.wait, runs.cancel, runs.pause, runs.history, runs.delete, runs.rerun):
        with pytest.raises(UnknownNameError, match="there is no run nobody"):
            await call("nobody")


async def test_without_dapr_the_error_says_where_it_was_looked_for() -> None:
    address = DaprAddress(grpc_port=free_ports(1)[0])
    async with open_connection(address) as connection:
        with pytest.raises(DaprDownError, match=f"Dapr does not answer at 127.0.0.1:{address.grpc_port}"):
            await Runs(connection).status("any")
        settings = WorkerSettings(start_timeout_s=0.3)
        with pytest.raises(DaprDownError, match=f"no Dapr at 127.0.0.1:{address.grpc_port}"):
            async with open_worker(connection, build_functions(), settings):
                pass
