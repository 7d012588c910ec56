"""A Dapr whose workflows hang: it answers, and no run goes on."""

import contextlib
import logging

import anyio
from dapr.proto.runtime.v1 import metadata_pb2 as metadata_pb

from hub.errors import HubError
from hub.workflows.address import RUNTIME_SERVICE, DaprConnection

_log = logging.getLogger(__name__)


async def tell_if_stuck(dapr: DaprConnection, after_s: float) -> None:
    """Tell in the log if Dapr does not count a worker that has had its stream for so long; see `hub.workflows.due`.

    Source: Dapr's gRPC API, GetMetadata, `workflows.connected_workers`.
    """
    await anyio.sleep(after_s)
    get = dapr.method(RUNTIME_SERVICE, "GetMetadata", metadata_pb.GetMetadataResponse)
    answer: metadata_pb.GetMetadataResponse | None = None
    with contextlib.suppress(HubError):
        answer = await get(metadata_pb.GetMetadataRequest(), timeout_s=10.0)
    if answer is not None and answer.HasField("workflows") and not answer.workflows.connected_workers:
        _log.error(
            "Dapr at %s answers, but has not taken this worker for %.0f s: no run goes on. A worker that was killed in "
            "the middle of a turn does that to Dapr 1.18; start daprd again, nothing is lost by it",
            dapr.address.target,
            after_s,
        )
