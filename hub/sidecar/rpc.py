"""gRPC method handlers around the services: the token, and errors as statuses."""

import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from .errors import SidecarError, UnauthenticatedError

logger = logging.getLogger(__name__)

TOKEN_HEADER = "dapr-api-token"  # noqa: S105 - the header's name, not a token

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class HandlerFactory:
    """Makes method handlers that check the token first and name each failure."""

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()

    def unary(self, method: Callable[[Request, Any], Awaitable[Response]], request_type: type[Request]) -> Handler:
        async def behaviour(request: Request, context: Context) -> Response:
            try:
                self._authenticate(context)
                return await method(request, context)
            except Exception as error:  # noqa: BLE001 - the boundary to the wire
                await _abort(context, error)

        return grpc.unary_unary_rpc_method_handler(cast("Any", behaviour), request_type.FromString, _serialize)

    def server_stream(self, method: Callable[[Request, Any], Awaitable[None]], request_type: type[Request]) -> Handler:
        async def behaviour(request: Request, context: Context) -> None:
            try:
                self._authenticate(context)
                await method(request, context)
            except Exception as error:  # noqa: BLE001 - the boundary to the wire
                await _abort(context, error)

        return grpc.unary_stream_rpc_method_handler(cast("Any", behaviour), request_type.FromString, _serialize)

    def both_streams(
        self, method: Callable[[AsyncIterator[Request], Any], Awaitable[None]], request_type: type[Request]
    ) -> Handler:
        async def behaviour(requests: AsyncIterator[Request], context: Context) -> None:
            try:
                self._authenticate(context)
                await method(requests, context)
            except Exception as error:  # noqa: BLE001 - the boundary to the wire
                await _abort(context, error)

        return grpc.stream_stream_rpc_method_handler(cast("Any", behaviour), request_type.FromString, _serialize)

    def _authenticate(self, context: Context) -> None:
        if self._token is None:
            return
        for key, value in context.invocation_metadata() or ():
            if key == TOKEN_HEADER:
                given = value.encode() if isinstance(value, str) else value
                if hmac.compare_digest(given, self._token):
                    return
        raise UnauthenticatedError(f"the header {TOKEN_HEADER} must hold the sidecar's token (DAPR_API_TOKEN)")


class MissingMethods(grpc.GenericRpcHandler):
    """Answers calls of Dapr's API that the embedded sidecar does not have."""

    def __init__(self, services: Mapping[str, object]) -> None:
        self._services = services

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        _, service, method = handler_call_details.method.split("/")

        async def behaviour(_requests: object, context: Context) -> None:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"the embedded sidecar does not have {method}; point the SDK to a Dapr sidecar that does",
            )

        if service not in self._services:
            return None
        return grpc.stream_stream_rpc_method_handler(cast("Any", behaviour))


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


async def _abort(context: Context, error: Exception) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, SidecarError):
        await context.abort(error.status, str(error))
    logger.error("a call failed", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "the sidecar failed; the reason stands in its log")
