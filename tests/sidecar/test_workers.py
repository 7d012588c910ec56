"""Several workers: leases, sharing, versions that one lacks. The embedded sidecar, in this event loop.

What holds for every sidecar is in `test_worker_processes.py`.
"""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
import grpc.aio
import pytest
from google.protobuf.message import Message

from hub.sidecar.proto import Empty, StringValue, actions_pb, service_pb
from hub.sidecar.server import open_sidecar
from hub.sidecar.settings import SidecarSettings


def _to_bytes(message: Message) -> bytes:
    return message.SerializeToString()


class RawWorker:
    """A worker that speaks the protocol by hand, so that it can misbehave."""

    def __init__(self, port: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel: Any = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._stream: Any = None

    async def connect(self, capabilities: tuple[int, ...] = ()) -> None:
        request = service_pb.GetWorkItemsRequest(capabilities=capabilities)  # type: ignore[arg-type] - plain numbers do
        call: Any = self._channel.unary_stream(
            "/TaskHubSidecarService/GetWorkItems",
            request_serializer=service_pb.GetWorkItemsRequest.SerializeToString,
            response_deserializer=service_pb.WorkItem.FromString,
        )
        self._stream = call(request)
        await self._stream.initial_metadata()

    async def take(self) -> service_pb.WorkItem:
        with anyio.fail_after(10):
            return await self._stream.read()

    async def call(self, method: str, request: Any, answer_type: Any) -> Any:
        call: Any = self._channel.unary_unary(
            f"/TaskHubSidecarService/{method}",
            request_serializer=_to_bytes,
            response_deserializer=answer_type.FromString,
        )
        return await call(request, timeout=10)

    async def answer(self, item: service_pb.WorkItem, *actions: actions_pb.WorkflowAction) -> None:
        response = service_pb.WorkflowResponse(
            instanceId=item.workflowRequest.instanceId, actions=actions, completionToken=item.completionToken
        )
        await self.call("CompleteOrchestratorTask", response, service_pb.CompleteTaskResponse)

    async def answer_activity(self, item: service_pb.WorkItem, result: str) -> None:
        response = service_pb.ActivityResponse(
            instanceId=item.activityRequest.workflowInstance.instanceId,
            taskId=item.activityRequest.taskId,
            result=StringValue(value=result),
            completionToken=item.completionToken,
        )
        await self.call("CompleteActivityTask", response, service_pb.CompleteTaskResponse)

    async def start(self, run_id: str, **fields: Any) -> None:
        request = service_pb.CreateInstanceRequest(instanceId=run_id, name="w", **fields)
        await self.call("StartInstance", request, service_pb.CreateInstanceResponse)

    async def state(self, run_id: str) -> Any:
        request = service_pb.GetInstanceRequest(instanceId=run_id, getInputsAndOutputs=True)
        return (await self.call("GetInstance", request, service_pb.GetInstanceResponse)).workflowState

    async def wait_for_state(self, run_id: str, is_reached: Callable[[Any], bool]) -> None:
        with anyio.fail_after(10):
            while not is_reached(await self.state(run_id)):  # noqa: ASYNC110 - a state is asked for over the wire
                await anyio.sleep(0.01)

    async def close(self) -> None:
        await self._channel.close()


@contextlib.asynccontextmanager
async def opened(tmp_path: Path, workers: int = 1, **limits: Any) -> AsyncGenerator[list[RawWorker]]:
    settings = SidecarSettings(db_path=tmp_path / "s.db", **limits)
    async with open_sidecar(settings) as sidecar:
        made = [RawWorker(sidecar.grpc_port) for _ in range(workers)]
        try:
            yield made
        finally:
            for worker in made:
                await worker.close()


def schedule(event_id: int, name: str = "a", text: str = "") -> actions_pb.WorkflowAction:
    task = actions_pb.ScheduleTaskAction(name=name, input=StringValue(value=text))
    return actions_pb.WorkflowAction(id=event_id, scheduleTask=task)


def complete(event_id: int, result: str = "") -> actions_pb.WorkflowAction:
    done = actions_pb.CompleteWorkflowAction(workflowStatus=1, result=StringValue(value=result))  # type: ignore[arg-type] - the number of COMPLETED
    return actions_pb.WorkflowAction(id=event_id, completeWorkflow=done)


async def test_a_turn_that_is_not_answered_goes_to_another_worker(tmp_path: Path) -> None:
    async with opened(tmp_path, 2, turn_lease_s=0.2) as (silent, able):
        await silent.connect()
        await silent.start("run")
        late = await silent.take()
        await able.connect()
        item = await able.take()
        await able.answer(item, complete(1, "able"))
        await silent.answer(late, complete(1, "late"))
        state = await able.state("run")
    assert (item.workflowRequest.instanceId, state.output.value) == ("run", "able")
    assert item.completionToken != late.completionToken


async def test_the_steps_of_a_silent_worker_go_to_another(tmp_path: Path) -> None:
    async with opened(tmp_path, 2, worker_lease_s=0.4) as (silent, able):
        await silent.connect()
        await silent.start("run")
        await silent.answer(await silent.take(), schedule(1))
        late = await silent.take()
        await able.connect()
        item = await able.take()
        await silent.answer_activity(late, "late")
        await able.answer_activity(item, "able")
        turn = await able.take()
    assert [e.taskCompleted.result.value for e in turn.workflowRequest.newEvents if e.HasField("taskCompleted")] == [
        "able"
    ]


async def test_a_worker_that_says_hello_keeps_its_step(tmp_path: Path) -> None:
    async with opened(tmp_path, 2, worker_lease_s=0.6) as (slow, other):
        await slow.connect()
        await slow.start("run")
        await slow.answer(await slow.take(), schedule(1))
        item = await slow.take()
        await other.connect()
        for _ in range(8):
            await anyio.sleep(0.15)  # the passing of time is what is tested
            await slow.call("Hello", Empty(), Empty)
        await slow.answer_activity(item, "slow but there")
        turn = await slow.take()
    assert [e.taskCompleted.result.value for e in turn.workflowRequest.newEvents if e.HasField("taskCompleted")] == [
        "slow but there"
    ]


async def test_no_worker_is_taken_for_silent_while_the_sidecar_itself_stood_still(tmp_path: Path) -> None:
    async with opened(tmp_path, worker_lease_s=0.4, turn_lease_s=0.4) as (worker,):
        await worker.connect()
        await worker.start("run")
        turn = await worker.take()
        time.sleep(1)  # noqa: ASYNC251 - nothing else runs in the loop meanwhile, as if the machine was suspended
        await anyio.sleep(0.15)
        await worker.answer(turn, schedule(1))
        step = await worker.take()
        time.sleep(1)  # noqa: ASYNC251
        await anyio.sleep(0.15)
        await worker.answer_activity(step, "here all along")
        end = await worker.take()
    assert [e.taskCompleted.result.value for e in end.workflowRequest.newEvents if e.HasField("taskCompleted")] == [
        "here all along"
    ]


async def test_a_worker_that_had_nothing_to_do_is_not_taken_for_silent(tmp_path: Path) -> None:
    async with opened(tmp_path, worker_lease_s=0.6) as (worker,):
        await worker.connect()
        await anyio.sleep(0.9)  # the passing of time is what is tested
        await worker.start("run")
        item = await worker.take()
        await anyio.sleep(0.3)
        await worker.answer(item, complete(1, "done"))
        state = await worker.state("run")
    assert state.output.value == "done"


async def test_a_result_without_a_token_is_matched_by_run_and_step(tmp_path: Path) -> None:
    async with opened(tmp_path) as (worker,):
        await worker.connect()
        await worker.start("run")
        item = await worker.take()
        item.completionToken = ""
        await worker.answer(item, schedule(1))
        step = await worker.take()
        step.completionToken = ""
        await worker.answer_activity(step, "x")
        item = await worker.take()
        await worker.answer(item, complete(2, "done"))
        state = await worker.state("run")
    assert state.output.value == "done"


async def test_work_is_spread_over_the_workers(tmp_path: Path) -> None:
    async with opened(tmp_path, 2) as (first, second):
        await first.connect()
        await second.connect()
        for number in range(6):
            await first.start(f"run{number}")
        got = [{(await worker.take()).workflowRequest.instanceId for _ in range(3)} for worker in (first, second)]
    assert got[0] | got[1] == {f"run{number}" for number in range(6)}


async def test_a_run_with_a_thousand_steps_does_not_hold_up_another(tmp_path: Path) -> None:
    async with opened(tmp_path, activities_per_worker=1) as (worker,):
        await worker.connect()
        await worker.start("large")
        await worker.answer(await worker.take(), *(schedule(number) for number in range(1, 1001)))
        order: list[str] = []
        item = await worker.take()
        await worker.start("small")
        turn = await worker.take()
        await worker.answer(turn, schedule(1))
        for _ in range(4):
            order.append(item.activityRequest.workflowInstance.instanceId)
            await worker.answer_activity(item, "")
            item = await worker.take()
            while item.HasField("workflowRequest"):
                item = await worker.take()
    assert "small" in order[:4]


async def test_a_run_whose_version_no_worker_has_is_stalled_until_one_comes(tmp_path: Path) -> None:
    missing = actions_pb.WorkflowAction(
        id=1, workflowVersionNotAvailable=actions_pb.WorkflowVersionNotAvailableAction()
    )
    async with opened(tmp_path, 2) as (old, new):
        await old.connect()
        await old.start("run")
        await old.answer(await old.take(), missing)
        stalled = await old.state("run")
        await new.connect()
        item = await new.take()
        await new.answer(item, complete(1, "done"))
        ended = await new.state("run")
    assert (stalled.workflowStatus, ended.workflowStatus, ended.output.value) == (8, 1, "done")


async def test_a_worker_that_holds_the_history_gets_only_what_is_new(tmp_path: Path) -> None:
    async with opened(tmp_path) as (worker,):
        await worker.connect((2,))
        await worker.start("run")
        await worker.answer(await worker.take(), schedule(1))
        await worker.answer_activity(await worker.take(), "1")
        second = await worker.take()
        await worker.answer(second, schedule(2))
        await worker.answer_activity(await worker.take(), "2")
        third = await worker.take()
    assert (second.workflowRequest.HasField("cachedHistory"), len(second.workflowRequest.pastEvents)) == (False, 3)
    assert (third.workflowRequest.cachedHistory.eventCount, len(third.workflowRequest.pastEvents)) == (3, 3)


async def test_a_run_that_had_no_turn_for_long_is_sent_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.sidecar.workers.MAX_HELD_RUNS", 1)
    async with opened(tmp_path) as (worker,):
        await worker.connect((2,))
        steps: list[service_pb.WorkItem] = []
        for run_id in ("parked", "busy"):
            await worker.start(run_id)
            await worker.answer(await worker.take(), schedule(1))
            await worker.answer_activity(await worker.take(), "1")
            await worker.answer(await worker.take(), schedule(2))
            steps.append(await worker.take())
        turns: list[service_pb.WorkflowRequest] = []
        for step in reversed(steps):
            await worker.answer_activity(step, "2")
            turns.append((await worker.take()).workflowRequest)
    held, past = [turn.HasField("cachedHistory") for turn in turns], [len(turn.pastEvents) for turn in turns]
    assert ([turn.instanceId for turn in turns], held, past) == (["busy", "parked"], [True, False], [3, 6])


async def test_a_history_that_outgrows_the_limit_stalls_its_run_until_the_limit_is_raised(tmp_path: Path) -> None:
    async with opened(tmp_path, max_work_item_bytes=50_000) as (worker,):
        await worker.connect()
        await worker.start("run")
        await worker.answer(await worker.take(), schedule(1, text="x" * 60_000))
        await worker.answer_activity(await worker.take(), "")
        await worker.wait_for_state("run", lambda state: state.workflowStatus == 8)
    async with opened(tmp_path) as (worker,):
        await worker.connect()
        await worker.answer(await worker.take(), complete(2, "done"))
        state = await worker.state("run")
    assert (state.workflowStatus, state.output.value) == (1, "done")


async def test_a_burst_of_calls_is_taken_whole(tmp_path: Path) -> None:
    taken: list[Any] = []

    async def hello(worker: RawWorker) -> None:
        taken.append(await worker.call("Hello", Empty(), Empty))

    async with opened(tmp_path) as (worker,), anyio.create_task_group() as group:
        for _ in range(1500):
            group.start_soon(hello, worker)
    assert len(taken) == 1500


async def test_a_message_over_the_limit_is_refused_and_the_sidecar_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path, max_message_bytes=10_000) as (worker,):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await worker.start("large", input=StringValue(value="x" * 20_000))
        await worker.start("small")
        state = await worker.state("small")
    assert (caught.value.code(), state.name) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "w")


async def test_an_action_that_the_sidecar_lacks_fails_the_run_and_says_so(tmp_path: Path) -> None:
    unknown = actions_pb.WorkflowAction(id=1, sendEvent=actions_pb.SendEventAction(name="e"))
    async with opened(tmp_path) as (worker,):
        await worker.connect()
        await worker.start("run")
        await worker.answer(await worker.take(), unknown)
        state = await worker.state("run")
    assert (state.workflowStatus, state.failureDetails.errorType) == (3, "UnsupportedActionError")


async def test_the_trace_of_the_caller_reaches_steps_and_children(tmp_path: Path) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    child = actions_pb.CreateChildWorkflowAction(name="c", instanceId="child")
    async with opened(tmp_path) as (worker,):
        await worker.connect()
        await worker.start("run", parentTraceContext={"traceParent": parent, "spanID": "b7ad6b7169203331"})
        first = await worker.take()
        await worker.answer(first, schedule(1), actions_pb.WorkflowAction(id=2, createChildWorkflow=child))
        items = [await worker.take(), await worker.take()]
    step = next(item.activityRequest for item in items if item.HasField("activityRequest"))
    turn = next(item.workflowRequest for item in items if item.HasField("workflowRequest"))
    started = [request.newEvents[1].executionStarted for request in (first.workflowRequest, turn)]
    assert [start.parentTraceContext.traceParent for start in started] == [parent, parent]
    assert step.parentTraceContext.traceParent == parent


async def test_finished_runs_are_deleted_when_their_time_is_over(tmp_path: Path) -> None:
    async with opened(tmp_path, retention_s=0.1, sweep_interval_s=0.05) as (worker,):
        await worker.connect()
        await worker.start("finished")
        await worker.answer(await worker.take(), complete(1))
        await worker.start("alive")
        await worker.wait_for_state("finished", lambda state: not state.name)
        assert (await worker.state("alive")).name == "w"


async def test_a_full_disk_is_told_and_the_run_goes_on_once_there_is_room(tmp_path: Path) -> None:
    """The file's limit stands for the disk's end; opened again without it, there is room."""
    async with opened(tmp_path, max_file_bytes=300_000) as (worker,):
        await worker.connect()
        await worker.start("run")
        item = await worker.take()
        with pytest.raises(grpc.aio.AioRpcError) as for_worker:
            await worker.answer(item, schedule(1, text="x" * 400_000))
        with pytest.raises(grpc.aio.AioRpcError) as for_client:
            await worker.start("large", input=StringValue(value="x" * 400_000))
        await worker.start("small")
    async with opened(tmp_path) as (worker,):
        await worker.connect()
        ids = {(await worker.take()).workflowRequest.instanceId for _ in range(2)}
    assert (for_worker.value.code(), for_client.value.code()) == (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    )
    assert "cannot grow" in str(for_client.value.details())
    assert ids == {"run", "small"}


async def test_an_address_outside_this_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        SidecarSettings(db_path=tmp_path / "s.db", host="0.0.0.0")


async def test_a_run_with_two_thousand_parallel_steps_ends_well(tmp_path: Path) -> None:
    async with opened(tmp_path) as (worker,):
        await worker.connect((2,))
        await worker.start("run")
        await worker.answer(await worker.take(), *(schedule(number) for number in range(1, 2001)))
        done = 0
        results = 0
        while results < 2000:
            item = await worker.take()
            if item.HasField("activityRequest"):
                await worker.answer_activity(item, "")
                done += 1
            else:
                results += sum(event.HasField("taskCompleted") for event in item.workflowRequest.newEvents)
                await worker.answer(item, *([complete(2001, "all")] if results == 2000 else []))
        state = await worker.state("run")
    assert (done, state.output.value) == (2000, "all")
