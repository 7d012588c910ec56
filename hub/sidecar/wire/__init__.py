"""A gRPC server on loopback: HTTP/2 (RFC 9113) and gRPC's messages on it, in one event loop.

It is here because gRPC's own server for asyncio took two thirds of the sidecar's CPU (docs/decisions/0007). It knows
nothing of Dapr: a server is opened with a function that finds the method for a request.
"""

from .call import Call, Method, Router
from .connection import Limits
from .headers import Request
from .server import WireServer
from .status import RefusedError, RpcError, Status

__all__ = [
    "Call",
    "Limits",
    "Method",
    "RefusedError",
    "Request",
    "Router",
    "RpcError",
    "Status",
    "WireServer",
]
