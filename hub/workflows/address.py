"""Where Dapr is, and the one connection to it."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import anyio
import anyio.lowlevel
import grpc
import grpc.aio

from hub.errors import HubError, TooLargeError, UnknownNameError
from hub.workflows.errors import (
    DaprDownError,
    DaprFailedError,
    DaprRefusedError,
    MissingComponentError,
    RunStateError,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")
Headers = Sequence[tuple[str, str | bytes]]

WORKFLOW_SERVICE: Final = "TaskHubSidecarService"
"""The gRPC service of workflows; it has no package."""
RUNTIME_SERVICE: Final = "dapr.proto.runtime.v1.Dapr"
"""The gRPC service of everything else."""
_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaprAddress:
    """Where a Dapr sidecar listens, the embedded one or the real one."""

    host: str = "127.0.0.1"
    grpc_port: int = 50_001
    token: str | None = field(default=None, repr=False)
    """Sent as `dapr-api-token`, if set."""
    tls: bool = False

    @property
    def target(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.grpc_port}"


class DaprConnection:
    """One channel to Dapr, for workers, clients and state alike."""

    def __init__(self, address: DaprAddress, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.channel = channel
        self.metadata: tuple[tuple[str, str], ...] = (
            (("dapr-api-token", address.token),) if address.token is not None else ()
        )

    def method(self, service: str, name: str, reply: type[M]) -> "Method[M]":
        """One unary method of a service."""
        call = cast("Any", self.channel).unary_unary(
            f"/{service}/{name}", request_serializer=_serialise, response_deserializer=reply.FromString
        )
        return Method(self, name, call, of_workflows=service == WORKFLOW_SERVICE)

    def stream(self, service: str, name: str, reply: type[M]) -> Callable[["Message", Headers], Any]:
        """One method that answers with a stream; it is called with the request and further headers."""
        call = cast("Any", self.channel).unary_stream(
            f"/{service}/{name}", request_serializer=_serialise, response_deserializer=reply.FromString
        )
        return lambda request, headers: call(request, metadata=(*self.metadata, *headers))


_READS: Final = frozenset({"GetInstance", "GetInstanceHistory", "ListInstanceIDs"})
_TORN_READ: Final = "missing from state store"
"""What daprd 1.18 says when it reads a run that it is writing at the same moment; the next look finds it whole."""
_NO_COMPONENT: Final = re.compile(r"\bis not (found|configured)\b")
"""How daprd 1.18 tells that it lacks a component; the codes that it sends with that mean other things too."""
_NO_WORKER: Final = re.compile(r"did not find address for actor|actor type dapr\.internal\.\S+ not registered")
"""What daprd 1.18 says to an event, a pause or an end of a run while no worker is connected."""
_TORN_READ_TRIES: Final = 20
_TORN_READ_PAUSE_S: Final = 0.05


class Method(Generic[M]):
    """One unary method, with Dapr's errors as the hub's own."""

    def __init__(self, connection: DaprConnection, name: str, call: Any, *, of_workflows: bool) -> None:
        self._connection = connection
        self._of_workflows = of_workflows
        self._name = name
        self._call = call

    async def __call__(self, request: "Message", timeout_s: float | None = 30.0, headers: Headers = ()) -> M:
        """Call it.

        Args:
            timeout_s: seconds until the call is given up; None waits as long as the caller does.
            headers: sent beside the token.

        Raises:
            DaprDownError: nobody answers; retryable.
            UnknownNameError: there is no run of that id.
            RunStateError: the run is in a state that does not allow it.
            DaprFailedError: it, or a component behind it, failed; retryable.
            DaprRefusedError: anything else that Dapr says no to.
        """
        tries = _TORN_READ_TRIES if self._name in _READS else 1
        while True:
            tries -= 1
            try:
                metadata = (*self._connection.metadata, *headers)
                return cast("M", await self._call(request, timeout=timeout_s, metadata=metadata))
            except grpc.aio.AioRpcError as error:
                if not tries or _TORN_READ not in (error.details() or ""):
                    raise self._to_hub_error(error) from error
            except asyncio.CancelledError:
                await anyio_cancellation()
                raise
            await anyio.sleep(_TORN_READ_PAUSE_S)

    def _to_hub_error(self, error: grpc.aio.AioRpcError) -> HubError:
        code, details = error.code(), error.details() or ""
        if not self._of_workflows and (code == grpc.StatusCode.NOT_FOUND or _NO_COMPONENT.search(details)):
            return MissingComponentError(f"{self._name}: Dapr at {self._connection.address.target} says: {details}")
        return to_hub_error(error, self._name, self._connection.address)


async def anyio_cancellation() -> None:
    """Raise the cancellation that is pending here, if an anyio scope asked for it.

    gRPC swallows the `CancelledError` that it is given and raises one of its own, which a scope does not know as its
    own and lets through, so that more is cancelled than was meant.
    """
    await anyio.lowlevel.checkpoint_if_cancelled()


def to_hub_error(error: grpc.aio.AioRpcError, method: str, address: DaprAddress) -> HubError:
    """Dapr's refusal as one of the hub's errors."""
    code, details = error.code(), error.details() or ""
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return DaprDownError(f"Dapr does not answer at {address.target} ({code.name.lower()}); it is tried again")
    if code == grpc.StatusCode.NOT_FOUND or (code == grpc.StatusCode.UNKNOWN and "no such instance" in details):
        return UnknownNameError(f"{method}: Dapr knows no such run")
    if _NO_WORKER.search(details):
        return DaprDownError(
            f"{method}: no worker is connected to Dapr at {address.target}; start a program that has one"
        )
    if code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.ABORTED):
        return RunStateError(f"{method}: {details}")
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return DaprRefusedError(f"Dapr at {address.target} wants another token: set DAPR_API_TOKEN to the sidecar's")
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return TooLargeError(f"{method}: Dapr has no room for this: {details}")
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        return DaprFailedError(f"{method}: Dapr failed: {details}")
    return DaprRefusedError(f"{method}: Dapr answered {code.name.lower()}: {details}")


def _serialise(message: "Message") -> bytes:
    return message.SerializeToString()


@contextlib.asynccontextmanager
async def open_connection(address: DaprAddress) -> AsyncGenerator[DaprConnection]:
    """A connection that comes up when it is used, and again after each loss."""
    if address.tls:
        channel = grpc.aio.secure_channel(address.target, grpc.ssl_channel_credentials(), options=_OPTIONS)
    else:
        channel = grpc.aio.insecure_channel(address.target, options=_OPTIONS)
    try:
        yield DaprConnection(address, channel)
    finally:
        with anyio.CancelScope(shield=True):
            await channel.close(None)
