"""Which components Dapr has, and which of them a program needs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dapr.proto.runtime.v1 import metadata_pb2 as metadata_pb

from hub.workflows.address import DaprConnection
from hub.workflows.errors import MissingComponentError

_SERVICE = "dapr.proto.runtime.v1.Dapr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A component without which something cannot work."""

    kind: Literal["pubsub", "state"]
    """The building block: what stands before the dot in a component's `type`."""
    name: str
    whose: str
    """What needs it, for the message."""


async def check_components(dapr: DaprConnection, needs: Iterable[Need]) -> None:
    """See that Dapr has what is needed; without needs it is not asked.

    Raises:
        MissingComponentError: one is missing; the message names it, who needs it and what there is.

    Source: Dapr's gRPC API, GetMetadata.
    """
    wanted = list(needs)
    if not wanted:
        return
    get = dapr.method(_SERVICE, "GetMetadata", metadata_pb.GetMetadataResponse)
    components = (await get(metadata_pb.GetMetadataRequest())).registered_components
    for need in wanted:
        known = sorted(each.name for each in components if each.type.partition(".")[0] == need.kind)
        if need.name not in known:
            have = f"it has {', '.join(known)}" if known else "it has none of that kind"
            raise MissingComponentError(
                f"Dapr at {dapr.address.target} has no {need.kind} component {need.name!r}, which {need.whose} needs; "
                f"{have}: name one of its own, or give Dapr such a component"
            )
