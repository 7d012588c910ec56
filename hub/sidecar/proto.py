"""Every protobuf module of the Dapr SDK that the sidecar speaks, gathered in one place.

The workflow messages live in a private package of the SDK (`dapr.ext.workflow._durabletask`); nothing else in the
project may import them. `tests/sidecar/test_proto_contract.py` watches what is used here, so that an SDK that moves or
changes them fails a test and not a run.
"""

from dapr.ext.workflow._durabletask.internal import history_events_pb2 as history_pb
from dapr.ext.workflow._durabletask.internal import orchestration_pb2 as orchestration_pb
from dapr.ext.workflow._durabletask.internal import orchestrator_actions_pb2 as actions_pb
from dapr.ext.workflow._durabletask.internal import orchestrator_service_pb2 as service_pb
from dapr.proto.common.v1 import common_pb2 as common_pb
from dapr.proto.runtime.v1 import appcallback_pb2 as callback_pb
from dapr.proto.runtime.v1 import metadata_pb2 as metadata_pb
from dapr.proto.runtime.v1 import pubsub_pb2 as pubsub_pb
from dapr.proto.runtime.v1 import state_pb2 as state_pb
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BoolValue, StringValue

__all__ = [
    "RUNTIME_SERVICE",
    "WORKFLOW_SERVICE",
    "BoolValue",
    "Empty",
    "StringValue",
    "Timestamp",
    "actions_pb",
    "callback_pb",
    "common_pb",
    "history_pb",
    "metadata_pb",
    "orchestration_pb",
    "pubsub_pb",
    "service_pb",
    "state_pb",
]

WORKFLOW_SERVICE = "TaskHubSidecarService"
"""The gRPC service of workflows; it has no package."""
RUNTIME_SERVICE = "dapr.proto.runtime.v1.Dapr"
"""The gRPC service of everything else."""
