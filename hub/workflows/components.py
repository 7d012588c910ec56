"""Which components Dapr has, and which of them a program needs."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio
from dapr.proto.runtime.v1 import metadata_pb2 as metadata_pb

from hub.errors import HubError
from hub.workflows.address import RUNTIME_SERVICE, DaprConnection
from hub.workflows.errors import MissingComponentError

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A component without which something cannot work."""

    kind: Literal["pubsub", "state"]
    """The building block: what stands before the dot in a component's `type`."""
    name: str
    whose: str
    """What needs it, for the message."""


async def check_components(dapr: DaprConnection, needs: Iterable[Need], *, patience_s: float = 10) -> None:
    """See that Dapr has what is needed; without needs it is not asked.

    Args:
        patience_s: how long a Dapr that is away is asked again; then this stays unchecked, for it is no mistake of the
            program: what needs the component will tell.

    Raises:
        MissingComponentError: one is missing; the message names it, who needs it and what there is.

    Source: Dapr's gRPC API, GetMetadata.
    """
    wanted = list(needs)
    if not wanted:
        return
    components = await _components(dapr, patience_s)
    if components is None:
        _log.warning("Dapr at %s is away; whether it has the components is not known", dapr.address.target)
        return
    for need in wanted:
        known = sorted(each.name for each in components if each.type.partition(".")[0] == need.kind)
        if need.name not in known:
            have = f"it has {', '.join(known)}" if known else "it has none of that kind"
            raise MissingComponentError(
                f"Dapr at {dapr.address.target} has no {need.kind} component {need.name!r}, which {need.whose} needs; "
                f"{have}: name one of its own, or give Dapr such a component"
            )


async def _components(dapr: DaprConnection, patience_s: float) -> Sequence[metadata_pb.RegisteredComponents] | None:
    """What Dapr has; None: it does not say within the time."""
    get = dapr.method(RUNTIME_SERVICE, "GetMetadata", metadata_pb.GetMetadataResponse)
    with anyio.move_on_after(patience_s):
        while True:
            try:
                return (await get(metadata_pb.GetMetadataRequest())).registered_components
            except HubError as error:
                if not error.retryable:
                    raise
            await anyio.sleep(_LOOK_EVERY_S)
    return None
