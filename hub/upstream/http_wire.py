"""One HTTP request to a server, and the honest reading of what comes back.

Loaded only when a server is reached over HTTP.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import aiohttp
import anyio
from anyio.abc import TaskGroup
from yarl import URL

from hub.catalog.provider import Json
from hub.errors import TooLargeError, UpstreamDownError
from hub.upstream.connection import NotReachedError
from hub.upstream.event_stream import Event, EventReader
from hub.upstream.wire import GarbageError, decode, error_of

BOTH: Final = "application/json, text/event-stream"
EVENT_STREAM: Final = "text/event-stream"
_DRAIN_S: Final = 1.0


class DisconnectedError(UpstreamDownError):
    """The connection was closed before any of the answer arrived."""


class SilentError(UpstreamDownError):
    """The connection stands and nothing came over it for too long."""


class RejectedError(UpstreamDownError):
    """The server answered with an HTTP status and no JSON-RPC message."""

    def __init__(self, status: int, location: str | None = None) -> None:
        super().__init__(_describe(status))
        self.status = status
        self.location = location
        """Where a redirect points to."""


@contextmanager
def translated() -> Generator[None]:
    """Turn what the HTTP library raises into errors a caller may see.

    Raises:
        NotReachedError: there is no connection.
        UpstreamDownError: the connection broke.
    """
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        raise NotReachedError("its address cannot be resolved; check `url`") from error
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise NotReachedError("the TLS connection to it cannot be made; check its certificate") from error
    except aiohttp.ClientConnectorError as error:
        refused = isinstance(error.os_error, ConnectionRefusedError)
        raise NotReachedError("it refuses connections" if refused else "it cannot be reached") from error
    except aiohttp.SocketTimeoutError as error:
        raise SilentError("it sent nothing for too long") from error
    except aiohttp.ServerTimeoutError as error:
        raise NotReachedError("it does not accept connections in time") from error
    except aiohttp.ServerDisconnectedError as error:
        raise DisconnectedError("the connection broke before the answer was complete") from error
    except aiohttp.InvalidURL as error:
        raise NotReachedError("its `url` is not an address") from error
    except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
        raise UpstreamDownError("the connection broke before the answer was complete") from error
    except TimeoutError as error:
        raise UpstreamDownError("the connection timed out") from error


@asynccontextmanager
async def open_request(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    tasks: TaskGroup | None = None,
) -> AsyncGenerator[aiohttp.ClientResponse]:
    """Send a request; on the way out its answer is closed, which at a modern server cancels it.

    Args:
        tasks: where the rest of an answer that was read far enough is drained, to keep its connection.
    """
    with translated():
        response = await session.request(method, url, data=body, headers=headers, allow_redirects=False)
        try:
            yield response
        except BaseException:
            response.close()
            raise
        if response.content.at_eof():
            response.release()
        elif tasks is not None:
            tasks.start_soon(drain, response)
        else:
            response.close()


async def read_body(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: it is longer than the limit.
    """
    announced = response.content_length
    if announced is not None:
        if announced > limit_bytes:
            raise _too_large(limit_bytes)
        if announced <= 65_536 and "Content-Encoding" not in response.headers:
            return await response.read()
    parts: list[bytes] = []
    size_bytes = 0
    async for part in response.content.iter_any():
        size_bytes += len(part)
        if size_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        parts.append(part)
    return b"".join(parts)


async def read_message(response: aiohttp.ClientResponse, limit_bytes: int) -> Json:
    """The one JSON-RPC message of a response that is no event stream.

    Raises:
        RejectedError: there is none.
    """
    if response.content_type != "application/json":
        raise RejectedError(response.status)
    body = await read_body(response, limit_bytes)
    try:
        message = decode(body)
        if response.status >= 400:
            error_of(message)
    except GarbageError as error:
        raise RejectedError(response.status) from error
    return message


async def read_events(response: aiohttp.ClientResponse, reader: EventReader) -> AsyncIterator[Event]:
    async for chunk in response.content.iter_any():
        for event in reader.feed(chunk):
            yield event


async def drain(response: aiohttp.ClientResponse) -> None:
    """Read what is left of an answered stream, so that its connection can be used again; give up soon."""
    with anyio.move_on_after(_DRAIN_S):
        try:
            while not response.content.at_eof():
                await response.content.readany()
        except (aiohttp.ClientError, ConnectionError):
            pass
    if response.content.at_eof():
        response.release()
    else:
        response.close()


def expect_stream(response: aiohttp.ClientResponse) -> None:
    """Make sure that an event stream begins.

    Raises:
        RejectedError: something else came.
    """
    if response.status != 200 or response.content_type != EVENT_STREAM:
        raise RejectedError(response.status)


def refusal(response: aiohttp.ClientResponse) -> UpstreamDownError | None:
    """What a caller is told for a status that says the server itself cannot serve; None where the body decides."""
    status = response.status
    if status in (401, 403, 407) or status >= 500 or 300 <= status < 400:
        return RejectedError(status, response.headers.get("Location"))
    return None


def _describe(status: int) -> str:
    if status in (401, 403, 407):
        return f"it refuses the hub's credentials (HTTP {status}); check `headers`"
    if status in (404, 405, 410):
        return f"there is no MCP endpoint at its address (HTTP {status}); check `url` and `transport`"
    if status == 421:
        return "it does not serve this host name (HTTP 421); check `url`"
    if 200 <= status < 300:
        return "it answered with something that is not MCP; check `url`"
    return f"it answered with HTTP {status}"


def _too_large(limit_bytes: int) -> TooLargeError:
    return TooLargeError(f"it sent a message of more than {limit_bytes} bytes (`max_message_bytes`)")
