"""A caller's trace goes on through runs, the events that they publish, and the tools that they call."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from hub import AgentRunner, DurableAgent
from hub.agents.provider import AgentProvider
from hub.agents.step_caller import StepCaller
from hub.events import Event
from hub.workflows import DaprAddress, open_connection
from hub.workflows.sdk import WORKFLOW_SERVICE, service_pb
from hub.workflows.trace import trace_in

RunnerOf = Callable[..., AgentRunner]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def trace_of(dapr: DaprAddress, run_id: str) -> str:
    """The trace context that Dapr has of a run."""
    async with open_connection(dapr) as connection:
        history = connection.method(WORKFLOW_SERVICE, "GetInstanceHistory", service_pb.GetInstanceHistoryResponse)
        events = (await history(service_pb.GetInstanceHistoryRequest(instanceId=run_id))).events
    [started] = [each.executionStarted for each in events if each.HasField("executionStarted")]
    return started.parentTraceContext.traceParent


async def test_events_and_the_runs_of_their_handlers_belong_to_the_callers_trace(
    runner_of: RunnerOf, dapr: DaprAddress
) -> None:
    class Herald(DurableAgent):
        model = "offline"

        async def tell(self, topic: str) -> str:
            """Tell a topic."""
            await self.publish(topic, {"told": True})
            return topic

    herald, seen, done = Herald(), dict[str, Event](), anyio.Event()
    runner = runner_of(herald)

    @runner.subscribe("traced-first")
    async def pass_on(event: Event) -> None:
        seen["first"] = event
        await herald.tell("traced-second")

    @runner.subscribe("traced-second")
    async def end(event: Event) -> None:
        seen["second"] = event
        done.set()

    async with runner:
        provider = AgentProvider(herald, runner.runs)
        params: dict[str, Any] = {"name": "herald__tell", "arguments": {"topic": "traced-first"}}
        params["_meta"] = {"traceparent": PARENT, "tracestate": "vendor=1"}
        await provider.call(params, StepCaller("somebody", "test"))
        with anyio.fail_after(20):
            await done.wait()
        run_id = (await runner.runs.list(workflow="hub.event.traced-second.end", limit=1))[0].run_id
    assert [seen[each].trace_parent for each in ("first", "second")] == [PARENT, PARENT]
    assert seen["second"].envelope["tracestate"] == "vendor=1"
    assert (await trace_of(dapr, run_id)).split("-")[1] == PARENT.split("-")[1]


@pytest.mark.parametrize(
    "value", ["", "00-zz", f"ff{PARENT[2:]}", PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), 7, None]
)
def test_what_is_no_trace_is_left_out(value: object) -> None:
    assert trace_in({"traceparent": value, "tracestate": "a=1"}) == {}


def test_a_trace_is_found_among_other_values() -> None:
    assert trace_in({"traceparent": PARENT, "identity": "ann"}) == {"traceparent": PARENT}
