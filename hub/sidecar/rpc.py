"""Dapr's methods on the wire: the token, messages in and out of bytes, and what is not there."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from .errors import InvalidRequestError, UnauthenticatedError
from .wire import Call, Method, RefusedError, Request, Status

TOKEN_HEADER = "dapr-api-token"  # noqa: S105 - the header's name, not a token

In = TypeVar("In", bound=Message)


def unary(method: Callable[[In, Call], Awaitable[Message]], request_type: type[In]) -> Method:
    """A method of one message each way; once it has begun it is done, though the client may be gone by then."""
    return Method(run=_answering(method, request_type), ends_with_client=False)


def long_poll(method: Callable[[In, Call], Awaitable[Message]], request_type: type[In]) -> Method:
    """The same, for a method that waits on behalf of the client."""
    return Method(run=_answering(method, request_type))


def server_stream(method: Callable[[In, Call], Awaitable[None]], request_type: type[In]) -> Method:
    """A method that answers one message with many."""

    async def run(call: Call) -> None:
        await method(_parse(request_type, await call.message()), call)

    return Method(run=run)


def both_streams(method: Callable[[AsyncIterator[In], Call], Awaitable[None]], request_type: type[In]) -> Method:
    """A method that both sides send many messages to."""

    async def run(call: Call) -> None:
        await method((_parse(request_type, message) async for message in call.messages()), call)

    return Method(run=run, is_streaming=True)


class Routes:
    """Finds the method for a request, for who has the token."""

    def __init__(self, services: Mapping[str, Mapping[str, Method]], token: str | None) -> None:
        """Route to methods by the names of their services."""
        self._services = frozenset(services)
        self._methods = {
            f"/{service}/{name}": method for service, methods in services.items() for name, method in methods.items()
        }
        self._token = None if token is None else token.encode()

    def find(self, request: Request) -> Method:
        """The method that a request is for.

        Raises:
            UnauthenticatedError: the token is missing or wrong.
            RefusedError: there is no such method.
        """
        if self._token is not None:
            given = request.metadata.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(given if isinstance(given, bytes) else given.encode(), self._token):
                raise UnauthenticatedError(f"the header {TOKEN_HEADER} must hold the sidecar's token (DAPR_API_TOKEN)")
        method = self._methods.get(request.path)
        if method is None:
            _, _, path = request.path.partition("/")
            service, _, name = path.partition("/")
            raise RefusedError(
                Status.UNIMPLEMENTED,
                f"the embedded sidecar does not have {name}; point the SDK to a Dapr sidecar that does"
                if service in self._services
                else f"there is no service {service} here",
            )
        return method


def _answering(
    method: Callable[[In, Call], Awaitable[Message]], request_type: type[In]
) -> Callable[[Call], Awaitable[None]]:
    async def run(call: Call) -> None:
        answer = await method(_parse(request_type, await call.message()), call)
        call.answer(answer.SerializeToString())

    return run


def _parse(request_type: type[In], message: bytes) -> In:
    try:
        return request_type.FromString(message)
    except DecodeError as error:
        raise InvalidRequestError(f"the message is no {request_type.DESCRIPTOR.full_name}") from error
