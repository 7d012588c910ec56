"""What the sidecar uses of the SDK's private protobuf modules, watched: a change of the SDK fails here."""

import ast
from importlib.metadata import version
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor

import hub.sidecar
from hub.sidecar.proto import WORKFLOW_SERVICE, history_pb, service_pb

SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
}

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

MESSAGES = Path(__file__).with_name("workflow_messages.txt")
"""What `described` gives for the SDK that was tried: a line for each message and enum, with numbers and types."""

STORED: tuple[Descriptor, ...] = (history_pb.HistoryEvent.DESCRIPTOR, history_pb.PropagatedHistory.DESCRIPTOR)
"""What stands in the file, besides what goes over the wire."""


def described() -> list[str]:
    """Every message and enum that the workflow service takes, gives or stores, a line each, by name."""
    service = service_pb.DESCRIPTOR.services_by_name[WORKFLOW_SERVICE]
    waiting = [*STORED, *(kind for method in service.methods for kind in (method.input_type, method.output_type))]
    found: dict[str, str] = {}
    while waiting:
        message = waiting.pop()
        if message.full_name in found or message.file.package == "google.protobuf":
            continue
        fields: list[str] = []
        for field in sorted(message.fields, key=lambda field: field.number):
            kind = SCALARS.get(field.type, "")
            if field.message_type is not None:
                waiting.append(field.message_type)
                kind = field.message_type.full_name
            elif field.enum_type is not None:
                kind = field.enum_type.full_name
                values = " ".join(f"{value.name}={value.number}" for value in field.enum_type.values)
                found[kind] = f"enum {kind}: {values}"
            many = "*" if field.is_repeated else ""
            fields.append(f"{field.name}={field.number}:{kind}{many}")
        found[message.full_name] = f"{message.full_name}: {' '.join(fields)}".rstrip()
    return [found[name] for name in sorted(found)]


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


def test_every_message_and_enum_is_the_one_that_was_tried() -> None:
    expected = MESSAGES.read_text(encoding="utf-8").splitlines()
    found = described()
    assert [line for line in found if line not in expected] == [], "new in the SDK; look at each before it is taken"
    assert [line for line in expected if line not in found] == [], "gone from the SDK, or different"


def test_one_module_of_the_sidecar_knows_the_private_package() -> None:
    root = Path(hub.sidecar.__file__).parent
    knowing: set[str] = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and "_durabletask" in (node.module or ""):
                knowing.add(path.relative_to(root).as_posix())
    assert knowing == {"proto.py"}
