"""History propagation: what a run shows of its past to its activities and children."""

from collections.abc import Iterable

from .proto import history_pb, orchestration_pb

NONE = orchestration_pb.HISTORY_PROPAGATION_SCOPE_NONE
LINEAGE = orchestration_pb.HISTORY_PROPAGATION_SCOPE_LINEAGE
Scope = orchestration_pb.HistoryPropagationScope.ValueType


def build_propagated(
    scope: Scope,
    *,
    app_id: str,
    run_id: str,
    workflow_name: str,
    own_events: Iterable[bytes],
    received: bytes | None,
) -> bytes | None:
    """The serialized `PropagatedHistory` for a scope: own events, after those of the ancestors for a lineage."""
    if scope == NONE:
        return None
    propagated = history_pb.PropagatedHistory(scope=scope)
    if scope == LINEAGE and received is not None:
        propagated.chunks.extend(history_pb.PropagatedHistory.FromString(received).chunks)
    propagated.chunks.append(
        history_pb.PropagatedHistoryChunk(
            rawEvents=own_events, appId=app_id, instanceId=run_id, workflowName=workflow_name
        )
    )
    return propagated.SerializeToString()
