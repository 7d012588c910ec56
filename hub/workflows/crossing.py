"""A child's last turn that may cross the turn of its parent which asks for the child once more.

Dapr saves a turn of a run after it has started the turn's children. A daprd 1.18.2 that is killed in between plays the
turn again: it holds the run until the child has taken the same start once more, while the child's last turn holds the
child until the run has taken its end. Neither lets go, not even after another start of daprd, where both turns come at
once again. So a worker hands the last turn of a child that is older than its stream of work back, once; Dapr hands it
out again a second later, when the parent's turn is over.

There is no call for that: an answer that Dapr refuses does it. What another release makes of such an answer is not
known (1.18.2 itself ends by an action of no kind, which is what it is to a release that lacks the kind), so only those
that were tried are given one.

Source: Dapr v1.18.2, pkg/actors/targets/workflow/orchestrator/run.go (`CallAddEventStateMessage`,
`CallCreateWorkflowStateMessage`) and reminder.go (a turn that fails is tried again after a second).
"""

import contextlib
import time
from collections.abc import Iterable
from typing import Final

from dapr.proto.runtime.v1 import metadata_pb2 as metadata_pb

from hub.errors import HubError
from hub.workflows.address import RUNTIME_SERVICE, DaprConnection
from hub.workflows.sdk import actions_pb, history_pb, orchestration_pb, service_pb

KNOWN_RELEASES: Final = frozenset({"1.18.2"})
CROSSES_FOR_S = 30.0
"""So long after a stream began, turns that were cut off before it may come."""


async def is_known(dapr: DaprConnection) -> bool:
    """Whether this Dapr has the defect and takes turns back; the embedded sidecar has it not.

    Source: Dapr's gRPC API, GetMetadata, `runtime_version`.
    """
    get = dapr.method(RUNTIME_SERVICE, "GetMetadata", metadata_pb.GetMetadataResponse)
    with contextlib.suppress(HubError):
        answer = await get(metadata_pb.GetMetadataRequest(), timeout_s=10.0)
        return answer.runtime_version in KNOWN_RELEASES
    return False


class Crossings:
    """The children that one stream of work has handed back."""

    def __init__(self) -> None:
        self.begin_stream(hands_back=False)

    def begin_stream(self, *, hands_back: bool) -> None:
        """Know nothing of an earlier stream.

        Args:
            hands_back: whether Dapr is one that takes turns back.
        """
        self._hands_back = hands_back
        self._began_at = time.time()
        self._handed_back: set[str] = set()

    def take(
        self, run_id: str, beginning: Iterable[history_pb.HistoryEvent], response: service_pb.WorkflowResponse
    ) -> bool:
        """Whether this turn has to be handed back; the next time it has not.

        Args:
            beginning: the first entries of the run's history, which tell its parent.
            response: what the turn came to.
        """
        if not self._hands_back or run_id in self._handed_back or time.time() > self._began_at + CROSSES_FOR_S:
            return False
        if not any(_is_end(action) for action in response.actions) or not self._is_older_child(beginning):
            return False
        self._handed_back.add(run_id)
        return True

    def _is_older_child(self, beginning: Iterable[history_pb.HistoryEvent]) -> bool:
        for event in beginning:
            if event.HasField("executionStarted"):
                parent = event.executionStarted.parentInstance.workflowInstance.instanceId
                return bool(parent) and event.timestamp.ToNanoseconds() / 1e9 < self._began_at
        return False


def handed_back(run_id: str, token: str) -> service_pb.WorkflowResponse:
    """An answer that Dapr refuses, so that it keeps the turn and hands it out again after a second.

    It asks for a detached run that has no id.
    """
    refused = actions_pb.WorkflowAction(id=-1, createDetachedWorkflow=actions_pb.CreateDetachedWorkflowAction())
    return service_pb.WorkflowResponse(instanceId=run_id, completionToken=token, actions=[refused])


def _is_end(action: actions_pb.WorkflowAction) -> bool:
    return (
        action.HasField("completeWorkflow")
        and action.completeWorkflow.workflowStatus != orchestration_pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    )
