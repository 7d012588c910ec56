"""A program on the unmodified SDK: parks a run on an event, or goes on with it in a later process."""

import sys
import time
from collections.abc import Generator
from typing import Any

import dapr.ext.workflow as wf
import grpc

RUN_ID = "parked"
TIMEOUT_S = 30


def double(_context: wf.WorkflowActivityContext, number: int) -> int:
    print(f"step {number}", flush=True)
    return 2 * number


def two_steps(context: Any, number: int) -> Generator[Any, Any, int]:
    doubled = yield context.call_activity(double, input=number)
    added = yield context.wait_for_external_event("go")
    return (yield context.call_activity(double, input=doubled + added))


def main() -> None:
    runtime: Any = wf.WorkflowRuntime()
    runtime.register_workflow(two_steps)
    runtime.register_activity(double)
    runtime.start()
    client: Any = wf.DaprWorkflowClient()
    if sys.argv[1] == "park":
        client.schedule_new_workflow(two_steps, input=3, instance_id=RUN_ID)
        while not _has_first(client):
            time.sleep(0.05)
    else:
        client.raise_workflow_event(RUN_ID, "go", data=100)
        state = client.wait_for_workflow_completion(RUN_ID, timeout_in_seconds=TIMEOUT_S)
        print(state.runtime_status.name, state.serialized_output, flush=True)
    client.close()
    runtime.shutdown()


def _has_first(client: Any) -> bool:
    try:
        return any(event.event_type.name == "TASK_COMPLETED" for event in client.get_workflow_history(RUN_ID))
    except grpc.RpcError as error:
        if "missing from state store" in str(error):  # Dapr is writing it at this moment
            return False
        raise


if __name__ == "__main__":
    main()
