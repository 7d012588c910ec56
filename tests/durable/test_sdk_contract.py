"""What the hub uses of the SDK's private package is there and does what it did.

A test here that fails after an upgrade of `dapr` names what moved; `hub/workflows/sdk.py` is the one file to change.
"""

import importlib.metadata
import inspect

import pytest
from dapr.ext.workflow._durabletask import task as sdk_task
from google.protobuf.message import Message

from hub.workflows.sdk import (
    Inbox,
    ReplayExecutor,
    actions_pb,
    history_pb,
    new_registry,
    orchestration_pb,
    service_pb,
)


def test_the_sdk_is_of_the_line_that_this_was_written_for() -> None:
    assert importlib.metadata.version("dapr").startswith("1.19.")


def test_the_executor_takes_a_registry_and_a_logger_and_replays_event_by_event() -> None:
    assert list(inspect.signature(ReplayExecutor.__init__).parameters) == ["self", "registry", "logger"]
    assert list(inspect.signature(ReplayExecutor.execute).parameters) == [
        "self",
        "instance_id",
        "old_events",
        "new_events",
        "propagated_history",
    ]
    assert list(inspect.signature(ReplayExecutor.process_event).parameters) == ["self", "ctx", "event"]


def test_the_registry_takes_workflows_by_name_and_version() -> None:
    parameters = inspect.signature(new_registry().add_named_orchestrator).parameters
    assert list(parameters) == ["name", "fn", "version_name", "is_latest"]


def test_a_task_tells_its_parent_once_when_it_ends() -> None:
    inbox = Inbox()
    task: sdk_task.CompletableTask[int] = sdk_task.CompletableTask()
    inbox.adopt(task)
    assert not inbox.is_complete
    task.complete(7)
    assert inbox.is_complete
    assert inbox.get_result() is None
    assert inbox.take() == [task]
    assert not inbox.is_complete
    assert inbox.take() == []


def test_a_task_that_has_ended_is_told_at_once() -> None:
    inbox = Inbox()
    task: sdk_task.CompletableTask[int] = sdk_task.CompletableTask()
    task.complete(7)
    inbox.adopt(task)
    assert inbox.take() == [task]


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (
            service_pb.WorkflowRequest,
            "instanceId executionId pastEvents newEvents cachedHistory",
        ),
        (service_pb.WorkflowResponse, "instanceId actions customStatus completionToken version"),
        (service_pb.ActivityRequest, "name input workflowInstance taskId taskExecutionId"),
        (service_pb.ActivityResponse, "instanceId taskId result failureDetails completionToken"),
        (service_pb.WorkItem, "workflowRequest activityRequest healthPing completionToken"),
        (service_pb.GetWorkItemsRequest, "capabilities"),
        (service_pb.CreateInstanceRequest, "instanceId name input scheduledStartTimestamp enforceUniqueInstanceId"),
        (service_pb.GetInstanceRequest, "instanceId getInputsAndOutputs"),
        (service_pb.GetInstanceResponse, "exists workflowState"),
        (service_pb.RaiseEventRequest, "instanceId name input"),
        (service_pb.TerminateRequest, "instanceId recursive"),
        (service_pb.PurgeInstancesRequest, "instanceId recursive"),
        (service_pb.PurgeInstancesResponse, "deletedInstanceCount isComplete"),
        (service_pb.RerunWorkflowFromEventRequest, "sourceInstanceID eventID newInstanceID"),
        (service_pb.ListInstanceIDsRequest, "continuationToken pageSize"),
        (actions_pb.WorkflowAction, "id scheduleTask createTimer createChildWorkflow completeWorkflow"),
        (actions_pb.CompleteWorkflowAction, "workflowStatus result failureDetails"),
        (history_pb.HistoryEvent, "eventId timestamp taskScheduled timerCreated childWorkflowInstanceCreated"),
        (history_pb.ExecutionStartedEvent, "name input workflowInstance parentInstance parentTraceContext version"),
        (history_pb.TaskScheduledEvent, "name input taskExecutionId historyPropagationScope"),
        (history_pb.TimerCreatedEvent, "fireAt name"),
        (history_pb.ChildWorkflowInstanceCreatedEvent, "instanceId name input historyPropagationScope"),
        (
            orchestration_pb.WorkflowState,
            "instanceId name workflowStatus input output customStatus failureDetails parentInstanceId createdTimestamp",
        ),
        (orchestration_pb.TaskFailureDetails, "errorType errorMessage stackTrace"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_messages_have_the_fields_that_are_used(message: type[Message], fields: str) -> None:
    assert set(fields.split()) <= {field.name for field in message.DESCRIPTOR.fields}


def test_a_worker_says_what_it_can_do_by_the_known_numbers() -> None:
    assert dict(service_pb.WorkerCapability.items()) == {
        "WORKER_CAPABILITY_UNSPECIFIED": 0,
        "WORKER_CAPABILITY_STATEFUL_HISTORY": 2,
        "WORKER_CAPABILITY_HEALTH_PING": 3,
    }


def test_the_states_of_a_run_are_the_known_ones() -> None:
    assert dict(orchestration_pb.OrchestrationStatus.items()) == {
        "ORCHESTRATION_STATUS_RUNNING": 0,
        "ORCHESTRATION_STATUS_COMPLETED": 1,
        "ORCHESTRATION_STATUS_CONTINUED_AS_NEW": 2,
        "ORCHESTRATION_STATUS_FAILED": 3,
        "ORCHESTRATION_STATUS_CANCELED": 4,
        "ORCHESTRATION_STATUS_TERMINATED": 5,
        "ORCHESTRATION_STATUS_PENDING": 6,
        "ORCHESTRATION_STATUS_SUSPENDED": 7,
        "ORCHESTRATION_STATUS_STALLED": 8,
    }
