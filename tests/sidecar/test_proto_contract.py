"""What the sidecar uses of the SDK's private protobuf modules, watched: a change of the SDK fails here."""

import ast
from importlib.metadata import version
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor

import hub.sidecar
from hub.sidecar.proto import WORKFLOW_SERVICE, actions_pb, history_pb, orchestration_pb, service_pb

METHODS = {
    "Hello": (".Empty", ".Empty"),
    "StartInstance": ("CreateInstanceRequest", "CreateInstanceResponse"),
    "GetInstance": ("GetInstanceRequest", "GetInstanceResponse"),
    "WaitForInstanceStart": ("GetInstanceRequest", "GetInstanceResponse"),
    "WaitForInstanceCompletion": ("GetInstanceRequest", "GetInstanceResponse"),
    "RaiseEvent": ("RaiseEventRequest", "RaiseEventResponse"),
    "TerminateInstance": ("TerminateRequest", "TerminateResponse"),
    "SuspendInstance": ("SuspendRequest", "SuspendResponse"),
    "ResumeInstance": ("ResumeRequest", "ResumeResponse"),
    "PurgeInstances": ("PurgeInstancesRequest", "PurgeInstancesResponse"),
    "GetWorkItems": ("GetWorkItemsRequest", "WorkItem"),
    "CompleteActivityTask": ("ActivityResponse", "CompleteTaskResponse"),
    "CompleteOrchestratorTask": ("WorkflowResponse", "CompleteTaskResponse"),
    "CompleteWorkflowTask": ("WorkflowResponse", "CompleteTaskResponse"),
    "RerunWorkflowFromEvent": ("RerunWorkflowFromEventRequest", "RerunWorkflowFromEventResponse"),
    "ListInstanceIDs": ("ListInstanceIDsRequest", "ListInstanceIDsResponse"),
    "GetInstanceHistory": ("GetInstanceHistoryRequest", "GetInstanceHistoryResponse"),
}

FIELDS: dict[Descriptor, dict[str, int]] = {
    service_pb.WorkItem.DESCRIPTOR: {
        "workflowRequest": 1,
        "activityRequest": 2,
        "healthPing": 6,
        "completionToken": 10,
    },
    service_pb.WorkflowRequest.DESCRIPTOR: {
        "instanceId": 1,
        "executionId": 2,
        "pastEvents": 3,
        "newEvents": 4,
        "requiresHistoryStreaming": 6,
        "router": 7,
        "propagatedHistory": 8,
        "cachedHistory": 9,
    },
    service_pb.ActivityRequest.DESCRIPTOR: {
        "name": 1,
        "version": 2,
        "input": 3,
        "workflowInstance": 4,
        "taskId": 5,
        "parentTraceContext": 6,
        "taskExecutionId": 7,
        "propagatedHistory": 8,
    },
    actions_pb.WorkflowAction.DESCRIPTOR: {
        "id": 1,
        "scheduleTask": 2,
        "createChildWorkflow": 3,
        "createTimer": 4,
        "sendEvent": 5,
        "completeWorkflow": 6,
        "terminateWorkflow": 7,
        "router": 9,
        "workflowVersionNotAvailable": 10,
        "createDetachedWorkflow": 11,
    },
    history_pb.HistoryEvent.DESCRIPTOR: {
        "eventId": 1,
        "timestamp": 2,
        "executionStarted": 3,
        "executionCompleted": 4,
        "executionTerminated": 5,
        "taskScheduled": 6,
        "taskCompleted": 7,
        "taskFailed": 8,
        "childWorkflowInstanceCreated": 9,
        "childWorkflowInstanceCompleted": 10,
        "childWorkflowInstanceFailed": 11,
        "timerCreated": 12,
        "timerFired": 13,
        "workflowStarted": 14,
        "workflowCompleted": 15,
        "eventSent": 16,
        "eventRaised": 17,
        "continueAsNew": 20,
        "executionSuspended": 21,
        "executionResumed": 22,
        "router": 30,
        "executionStalled": 31,
        "detachedWorkflowInstanceCreated": 32,
    },
}


def test_the_sdk_is_one_that_was_tried() -> None:
    assert version("dapr").split(".")[:2] == ["1", "19"]


def test_the_workflow_service_has_the_methods_that_are_served() -> None:
    service = service_pb.DESCRIPTOR.services_by_name[WORKFLOW_SERVICE]
    found = {
        method.name: (
            method.input_type.full_name.removeprefix("google.protobuf"),
            method.output_type.full_name.removeprefix("google.protobuf"),
        )
        for method in service.methods
    }
    assert found == METHODS


@pytest.mark.parametrize("message", FIELDS, ids=lambda message: message.name)
def test_messages_have_the_fields_that_are_stored_and_sent(message: Descriptor) -> None:
    assert {field.name: field.number for field in message.fields} == FIELDS[message]


def test_statuses_have_their_numbers() -> None:
    names = orchestration_pb.OrchestrationStatus.items()
    assert {name.removeprefix("ORCHESTRATION_STATUS_"): number for name, number in names} == {
        "RUNNING": 0,
        "COMPLETED": 1,
        "CONTINUED_AS_NEW": 2,
        "FAILED": 3,
        "CANCELED": 4,
        "TERMINATED": 5,
        "PENDING": 6,
        "SUSPENDED": 7,
        "STALLED": 8,
    }


def test_one_module_of_the_sidecar_knows_the_private_package() -> None:
    root = Path(hub.sidecar.__file__).parent
    knowing: set[str] = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and "_durabletask" in (node.module or ""):
                knowing.add(path.relative_to(root).as_posix())
    assert knowing == {"proto.py"}
