"""Recorded histories: how they are read, written, and played again turn by turn.

`python -m tests.durable.histories FOLDER` records those of this release anew, on an embedded sidecar of its own.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from google.protobuf.json_format import MessageToDict, ParseDict

from hub.workflows import DaprAddress, DaprConnection, Functions, Runs, Workflow, open_connection, open_worker
from hub.workflows.driver import Driver
from hub.workflows.sdk import WORKFLOW_SERVICE, actions_pb, history_pb, service_pb, tell_apart
from hub.workflows.turns import Turns
from tests.durable import flows
from tests.durable.flows import build_functions
from tests.sidecar.processes import running_sidecar

FOLDER = Path(__file__).with_name("histories")

RECORDED: Sequence[tuple[Workflow[..., Any], dict[str, Any], Sequence[tuple[str, Any]]]] = (
    (flows.chain, {"x": 1}, ()),
    (flows.library, {"topic": "bees"}, ()),
    (flows.retried, {"good_at": 3}, ()),
    (flows.rate_limited, {"counter": "recorded", "refusals": 2, "after_s": 0.02}, ()),
    (flows.branches, {}, ()),
    (flows.gather_with_failure, {"counter": "recorded gather"}, ()),
    (flows.race_then_wait, {}, (("go", 7),)),
    (flows.race_cleans_up, {"counter": "recorded race"}, ()),
    (flows.two_waiters, {}, (("item", 1), ("item", 2))),
    (flows.parent, {"x": 5}, ()),
    (flows.patched, {}, ()),
    (flows.greeting_2, {"who": "Ann"}, ()),
    (flows.cleans_up, {"counter": "recorded cleanup"}, ()),
)
"""Workflow, arguments, events: what a release records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One recorded run."""

    run_id: str
    events: list[history_pb.HistoryEvent]

    def turns(self) -> list[tuple[list[history_pb.HistoryEvent], list[history_pb.HistoryEvent], list[str]]]:
        """Each turn: what was committed before it, what was new in it, and the actions that it came to."""
        starts = [n for n, event in enumerate(self.events) if event.HasField("workflowStarted")]
        turns: list[tuple[list[history_pb.HistoryEvent], list[history_pb.HistoryEvent], list[str]]] = []
        for start, end in zip(starts, [*starts[1:], len(self.events)], strict=True):
            entries = self.events[start:end]
            new = [each for each in entries if tell_apart(each) is None and not each.HasField("executionCompleted")]
            outcome = [text for each in entries if (text := _recorded(each)) is not None]
            turns.append((self.events[:start], new, outcome))
        return turns


def replay(history: History, functions: Functions) -> list[list[str]]:
    """What each turn comes to with the code of today."""
    return [_outcome(_play(history, functions, committed, new)) for committed, new, _ in history.turns()]


def replay_last(history: History, functions: Functions) -> service_pb.WorkflowResponse:
    """What the last turn comes to with the code of today."""
    committed, new, _ = history.turns()[-1]
    return _play(history, functions, committed, new)


def _play(
    history: History,
    functions: Functions,
    committed: list[history_pb.HistoryEvent],
    new: list[history_pb.HistoryEvent],
) -> service_pb.WorkflowResponse:
    turns = Turns(functions, Driver(functions.steps), None, max_runs=0, max_bytes=0)
    return turns.replay(history.run_id, committed, new)


def _recorded(event: history_pb.HistoryEvent) -> str | None:
    """One line for an action, from the entry that records it."""
    if event.HasField("taskScheduled"):
        return f"{event.eventId} step {event.taskScheduled.name} {event.taskScheduled.input.value}"
    if event.HasField("timerCreated"):
        return f"{event.eventId} timer {event.timerCreated.fireAt.ToJsonString()}"
    if event.HasField("childWorkflowInstanceCreated"):
        child = event.childWorkflowInstanceCreated
        return f"{event.eventId} child {child.name} {child.instanceId} {child.input.value}"
    if event.HasField("executionCompleted"):
        end = event.executionCompleted
        return f"end {end.workflowStatus} {end.result.value}{end.failureDetails.errorType}"
    return None


def _outcome(response: service_pb.WorkflowResponse) -> list[str]:
    """The same lines, from the actions."""
    lines: list[str] = []
    for action in sorted(response.actions, key=lambda each: each.id):
        if action.HasField("scheduleTask"):
            lines.append(f"{action.id} step {action.scheduleTask.name} {action.scheduleTask.input.value}")
        elif action.HasField("createTimer"):
            lines.append(f"{action.id} timer {action.createTimer.fireAt.ToJsonString()}")
        elif action.HasField("createChildWorkflow"):
            child = action.createChildWorkflow
            lines.append(f"{action.id} child {child.name} {child.instanceId} {child.input.value}")
        else:
            lines.append(_end(action))
    return lines


def _end(action: actions_pb.WorkflowAction) -> str:
    end = action.completeWorkflow
    return f"end {end.workflowStatus} {end.result.value}{end.failureDetails.errorType}"


async def read_history(connection: DaprConnection, run_id: str) -> History:
    """A run's history from Dapr."""
    method = connection.method(WORKFLOW_SERVICE, "GetInstanceHistory", service_pb.GetInstanceHistoryResponse)
    answer = await method(service_pb.GetInstanceHistoryRequest(instanceId=run_id))
    return History(run_id=run_id, events=list(answer.events))


def load(path: Path) -> History:
    recorded = json.loads(path.read_text())
    events = [ParseDict(each, history_pb.HistoryEvent()) for each in recorded["events"]]
    return History(run_id=recorded["run_id"], events=events)


def save(history: History, path: Path) -> None:
    events = [MessageToDict(event) for event in history.events]
    path.write_text(json.dumps({"run_id": history.run_id, "events": events}, indent=1, ensure_ascii=False) + "\n")


async def record(folder: Path) -> None:
    """Run everything in `RECORDED` once and write its histories into a folder that is there."""
    with tempfile.TemporaryDirectory() as scratch, running_sidecar(Path(scratch) / "record.db") as sidecar:
        address = DaprAddress(grpc_port=sidecar.api.grpc_port)
        async with open_connection(address) as connection, open_worker(connection, build_functions()):
            runs = Runs(connection)
            for workflow, arguments, events in RECORDED:
                run_id = await runs.start(workflow, arguments, run_id=f"recorded-{workflow.name}", meta={"thread": "t"})
                for name, data in events:
                    await anyio.sleep(0.2)
                    await runs.send(run_id, name, data)
                await runs.wait(run_id, timeout_s=20)
                save(await read_history(connection, run_id), folder / f"{workflow.name}.json")


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    anyio.run(record, Path(sys.argv[1]))
