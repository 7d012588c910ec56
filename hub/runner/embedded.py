"""What stops the embedded sidecar, as errors of the hub: `hub.sidecar` has a small tree of its own."""

from typing import TYPE_CHECKING

from hub.errors import ConfigError, HubError
from hub.workflows.errors import DaprDownError

if TYPE_CHECKING:
    from hub.sidecar.errors import SidecarError


def to_hub_error(error: "SidecarError") -> HubError:
    """The same, with the code by which commands and callers tell what helps.

    A file that another sidecar has, or a disk without room, may be free later: `DaprDownError`. All else, as a damaged
    file, one of another program or one of a newer release, stays as it is until somebody changes it: `ConfigError`.
    """
    from hub.sidecar.errors import StoreFullError, StoreInUseError

    if isinstance(error, StoreInUseError):
        return DaprDownError(f"the embedded sidecar: {error}; or set DAPR_GRPC_PORT to the port of that one")
    if isinstance(error, StoreFullError):
        return DaprDownError(f"the embedded sidecar: {error}")
    return ConfigError(f"the embedded sidecar: {error}")
