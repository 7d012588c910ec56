"""A step or child with its retries: each attempt is an action of its own in the history, each delay a timer."""

from typing import TYPE_CHECKING, Any

from hub.workflows.errors import ChildFailedError, StepFailedError
from hub.workflows.failure import Failure
from hub.workflows.retry import RetryPolicy
from hub.workflows.scheduler import Pending
from hub.workflows.sdk import SdkTask, TaskFailedError

if TYPE_CHECKING:
    from hub.workflows.context import Context
    from hub.workflows.steps import Step
    from hub.workflows.values import Signature


async def run_step(ctx: "Context", step: "Step[..., Any]", payload: dict[str, Any], retry: RetryPolicy) -> Any:
    """Attempt a step until it ends well or its policy gives up.

    Raises:
        StepFailedError: it ended badly.
    """
    tries = _Tries(ctx, retry)
    while True:
        sent = payload if tries.number == 1 else {**payload, "attempt": tries.number}
        outcome = await _ended(ctx, ctx.turn.call_activity(step.name, input=sent), f"step {step.name}")
        if not isinstance(outcome, Failure):
            return step.signature.load_result(outcome)
        if not await tries.again(outcome):
            raise StepFailedError(
                f"step {step.name} failed{tries.told}: {outcome.error_type}: {outcome.reason}",
                step=step.name,
                error_type=outcome.error_type,
                reason=outcome.reason,
                error_code=outcome.code,
                retryable=outcome.retryable,
            )


async def run_child(
    ctx: "Context",
    name: str,
    signature: "Signature | None",
    payload: dict[str, Any],
    run_id: str,
    app_id: str | None,
    retry: RetryPolicy,
) -> Any:
    """Attempt a child run until it ends well or its policy gives up; a further attempt has an id of its own.

    Raises:
        ChildFailedError: it failed or was cancelled.
    """
    tries = _Tries(ctx, retry)
    while True:
        child_id = run_id if tries.number == 1 else f"{run_id}-try{tries.number}"
        task = ctx.turn.call_sub_orchestrator(name, input=payload or None, instance_id=child_id, app_id=app_id)
        outcome = await _ended(ctx, task, f"child {name}")
        if not isinstance(outcome, Failure):
            return outcome if signature is None else signature.load_result(outcome)
        if not await tries.again(outcome):
            raise ChildFailedError(
                f"child {name} ({child_id}) failed{tries.told}: {outcome.error_type}: {outcome.reason}",
                step=name,
                error_type=outcome.error_type,
                reason=outcome.reason,
                error_code=outcome.code,
                retryable=outcome.retryable,
            )


class _Tries:
    """Counts attempts and waits between them."""

    def __init__(self, ctx: "Context", retry: RetryPolicy) -> None:
        self._ctx = ctx
        self._retry = retry
        self._counted = 0
        self._waited_s = 0.0
        self.number = 1

    @property
    def told(self) -> str:
        return f" after {self.number} attempts" if self.number > 1 else ""

    async def again(self, failure: Failure) -> bool:
        """Wait until the next attempt; false: there is none."""
        if failure.retry_after_s is None:
            self._counted += 1
        delay = self._retry.delay_after(
            failure, attempts=self._counted, waited_s=self._waited_s, chance=self._ctx.chance()
        )
        if delay is None:
            return False
        if failure.retry_after_s is not None:
            self._waited_s += delay
        await self._ctx.sleep(delay)
        self.number += 1
        return True


async def _ended(ctx: "Context", task: SdkTask, what: str) -> Any:
    """The task's result, or its failure as a value."""
    pending: Pending[Any] = Pending(what)

    def settle(ended: SdkTask) -> None:
        try:
            pending.resolve(ended.get_result())
        except TaskFailedError as error:
            pending.resolve(Failure.read(error.details.error_type, error.details.message))

    ctx.scheduler.wait_for(task, settle)
    return await pending
