"""What the embedded sidecar's own code costs: runs of two steps with a worker and starters in its event loop, no gRPC.

Beside `bench.sidecar` it tells how much of the sidecar's CPU is the wire's. Usage: python -m bench.engine [--runs N]
[--rounds N] [--measured].
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import uvloop

from bench.measured import write_section
from bench.sidecar import STARTERS
from hub.sidecar.answers import Answers
from hub.sidecar.client_api import ClientApi
from hub.sidecar.dispatch import Dispatcher
from hub.sidecar.proto import actions_pb, orchestration_pb, service_pb
from hub.sidecar.settings import SidecarSettings
from hub.sidecar.store import open_store
from hub.sidecar.workers import STATEFUL_HISTORY, WorkStream

STEPS = 2


class NoHeaders:
    """A call that brings no headers."""

    metadata: Mapping[str, str] = MappingProxyType({})


class EngineWorker:
    """Answers turns and activities of two-step runs at once."""

    def __init__(self, answers: Answers, stream: WorkStream) -> None:
        self._answers = answers
        self._stream = stream
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while (item := await self._stream.items.get()) is not None:
            task = asyncio.create_task(self._turn(item) if item.HasField("workflowRequest") else self._step(item))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _turn(self, item: service_pb.WorkItem) -> None:
        request = item.workflowRequest
        ended = [event.taskCompleted.taskScheduledId for event in request.newEvents if event.HasField("taskCompleted")]
        action = actions_pb.WorkflowAction(id=max(ended, default=0) + 1)
        if action.id <= STEPS:
            action.scheduleTask.name = "add"
            action.scheduleTask.input.value = "[1, 1]"
        else:
            action.completeWorkflow.workflowStatus = orchestration_pb.ORCHESTRATION_STATUS_COMPLETED
            action.completeWorkflow.result.value = "3"
        await self._answers.complete_turn(
            service_pb.WorkflowResponse(
                instanceId=request.instanceId, actions=[action], completionToken=item.completionToken
            )
        )

    async def _step(self, item: service_pb.WorkItem) -> None:
        request = item.activityRequest
        response = service_pb.ActivityResponse(
            instanceId=request.workflowInstance.instanceId, taskId=request.taskId, completionToken=item.completionToken
        )
        response.result.value = "3"
        await self._answers.complete_activity(response)


async def measure(runs: int) -> float:
    """CPU of one run in milliseconds, the worker's and the starters' part included."""
    with tempfile.TemporaryDirectory(prefix="engine-bench-") as folder:
        settings = SidecarSettings(db_path=Path(folder) / "s.db")
        with open_store(settings) as store:
            dispatcher = Dispatcher(store, settings)
            answers, client = Answers(store, dispatcher, "bench"), ClientApi(store, "bench")
            stream = WorkStream("bench", (STATEFUL_HISTORY,))
            dispatcher.add(stream)
            serving = [asyncio.create_task(each) for each in (dispatcher.run(), EngineWorker(answers, stream).run())]
            numbers = iter(range(runs))
            began_s = time.process_time()
            await asyncio.gather(*(_start(client, numbers) for _ in range(STARTERS)))
            took_s = time.process_time() - began_s
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
    return 1_000 * took_s / runs


async def _start(client: ClientApi, numbers: Iterable[int]) -> None:
    headers: Any = NoHeaders()
    for number in numbers:
        request = service_pb.CreateInstanceRequest(name="two_steps", instanceId=f"run-{number}")
        request.input.value = "1"
        await client.start(request, headers)
        wanted = service_pb.GetInstanceRequest(instanceId=request.instanceId, getInputsAndOutputs=True)
        found = await client.wait_for_completion(wanted, None)
        assert found.workflowState.output.value == "3"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measured", action="store_true", help="write the section of docs/measured.md")
    chosen = parser.parse_args()
    uvloop.run(measure(chosen.runs // 10 or 1))  # warm
    cpu_ms = statistics.median(uvloop.run(measure(chosen.runs)) for _ in range(chosen.rounds))
    print(f"the embedded sidecar without gRPC: {cpu_ms:.2f} ms of CPU a run of two steps")
    if chosen.measured:
        rows = [("what", "measured"), ("CPU a run, worker and starters included", f"{cpu_ms:.2f} ms")]
        note = f"Runs of two steps, {STARTERS} at once, all in one event loop; median of {chosen.rounds} rounds."
        write_section("The embedded sidecar without gRPC", rows, note=note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
