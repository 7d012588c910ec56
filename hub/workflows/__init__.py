"""Plain async functions made durable over Dapr workflows."""

from hub.workflows.address import DaprAddress, DaprConnection, open_connection
from hub.workflows.context import Context, current_context
from hub.workflows.errors import (
    ChildFailedError,
    DaprDownError,
    EventTimeoutError,
    NonDeterminismError,
    NotDurableError,
    RetryAfterError,
    RunCancelledError,
    RunFailedError,
    StepFailedError,
)
from hub.workflows.question import Question, Reply
from hub.workflows.retry import STORE_RETRY, RetryPolicy
from hub.workflows.run_state import RunEvent, RunState
from hub.workflows.runs import Runs
from hub.workflows.steps import StepInfo, current_step, step
from hub.workflows.worker import Worker, WorkerSettings, open_worker
from hub.workflows.workflow import Functions, Workflow, workflow

__all__ = [
    "STORE_RETRY",
    "ChildFailedError",
    "Context",
    "DaprAddress",
    "DaprConnection",
    "DaprDownError",
    "EventTimeoutError",
    "Functions",
    "NonDeterminismError",
    "NotDurableError",
    "Question",
    "Reply",
    "RetryAfterError",
    "RetryPolicy",
    "RunCancelledError",
    "RunEvent",
    "RunFailedError",
    "RunState",
    "Runs",
    "StepFailedError",
    "StepInfo",
    "Worker",
    "WorkerSettings",
    "Workflow",
    "current_context",
    "current_step",
    "open_connection",
    "open_worker",
    "step",
    "workflow",
]
