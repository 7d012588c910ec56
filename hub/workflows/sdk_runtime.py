"""The same durable functions on the SDK's own worker, for programs that already run one."""

from typing import Any

from dapr.ext.workflow import WorkflowActivityContext, WorkflowRuntime

from hub.workflows.driver import Driver
from hub.workflows.failure import Failure
from hub.workflows.step_runner import StepRunner
from hub.workflows.values import DEFAULT_MAX_PAYLOAD_BYTES
from hub.workflows.workflow import Functions


def register(
    runtime: WorkflowRuntime,
    functions: Functions,
    *,
    max_threads: int = 16,
    max_payload_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES,
) -> None:
    """Make durable functions and their steps known to the SDK's worker, before it starts.

    It finds steps by name only: each that a function uses has to be in `functions` or declared with `@step`.
    """
    untyped: Any = runtime
    driver = Driver(functions.steps, max_payload_bytes=max_payload_bytes, keeps_turns=False)
    for each in functions:
        run = driver.to_generator_workflow(each)
        if each.version is None:
            untyped.register_workflow(run, name=each.name)
        else:
            untyped.register_versioned_workflow(run, name=each.name, version_name=each.version, is_latest=each.latest)
    runner = StepRunner(functions.steps, max_threads=max_threads, max_payload_bytes=max_payload_bytes)
    for each in functions.steps:
        _register_step(untyped, runner, each.name)


def _register_step(runtime: Any, runner: StepRunner, name: str) -> None:
    async def run(ctx: WorkflowActivityContext, given: object = None) -> object:
        try:
            return (await runner.run(name, ctx.workflow_id, given))[0]
        except Exception as error:
            raise Failure.of(error).to_exception() from error

    runtime.register_activity(run, name=name)
