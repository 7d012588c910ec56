"""The embedded sidecar: the part of Dapr's API that the hub uses, over one SQLite file.

It speaks gRPC on loopback, so that any program on the Dapr SDK can use it in the place of `daprd`; it imports nothing
else of the hub. `hub.sidecar.server` serves it in the present event loop, `python -m hub.sidecar` in a process of its
own. This module stays light: the SDK, and gRPC with it, are loaded by `hub.sidecar.server` alone.
"""

from .settings import SidecarSettings

__all__ = ["SidecarSettings"]
