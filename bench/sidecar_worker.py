"""A worker process on the unmodified SDK for `bench.sidecar`. Usage: python -m bench.sidecar_worker HOST PORT"""

import sys
import threading
from collections.abc import Generator
from typing import Any

import dapr.ext.workflow as wf


def add(_ctx: Any, numbers: list[int]) -> int:
    return sum(numbers)


def two_steps(ctx: Any, start: int) -> Generator[Any, Any, int]:
    first = yield ctx.call_activity("add", input=[start, 1])
    return (yield ctx.call_activity("add", input=[first, 1]))


def parked(ctx: Any, _input: None) -> Generator[Any, Any, Any]:
    return (yield ctx.wait_for_external_event("go"))


def build_runtime(host: str, port: str) -> Any:
    """The SDK's worker with these workflows, not started."""
    runtime: Any = wf.WorkflowRuntime(host=host, port=port)
    runtime.register_activity(add, name="add")
    runtime.register_workflow(two_steps, name="two_steps")
    runtime.register_workflow(parked, name="parked")
    return runtime


def main(host: str, port: str) -> None:
    build_runtime(host, port).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
