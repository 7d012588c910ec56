"""The short lane: one modern `tools/call` handed to its server and its answer handed back, both unread.

Source: MCP 2026-07-28, basic/transports/streamable-http.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final

import aiohttp

from hub.catalog.provider import Json, RawReply
from hub.errors import CallTimeoutError, HubError, TooLargeError
from hub.upstream.http_wire import EVENT_STREAM, RejectedError, SilentError, read_body, refusal, translated
from hub.upstream.modern_http import ModernHttp
from hub.upstream.wire import encode, object_at

WHOLE_BYTES: Final = 65_536
"""Answers up to this size are taken whole, longer ones as they come."""


async def send(leg: ModernHttp, session: aiohttp.ClientSession, request: Json) -> aiohttp.ClientResponse:
    """Send a request as it stands.

    Raises:
        UpstreamDownError: the server is not there, or refuses the hub itself.
        CallTimeoutError: it did not begin to answer in time.
    """
    headers: Mapping[str, str] = leg.headers_for("tools/call", object_at(request, "params"))
    body = aiohttp.BytesPayload(encode(request), content_type="application/json")
    try:
        with translated():
            response = await session.post(
                leg.url, data=body, headers=headers, allow_redirects=False, timeout=leg.call_timeout
            )
    except SilentError as error:
        raise CallTimeoutError(_silent(leg.call_timeout.sock_read or 0)) from error
    error = refusal(response)
    if error is None and response.content_type not in ("application/json", EVENT_STREAM):
        error = RejectedError(response.status)
    if error is not None:
        response.close()
        raise error
    return response


async def receive(
    response: aiohttp.ClientResponse,
    *,
    timeout_s: float,
    limit_bytes: int,
    release: Callable[[], None],
    name: Callable[[HubError], HubError],
) -> RawReply:
    """Turn the answer into a reply.

    Args:
        timeout_s: seconds without an answer or progress until the stream is given up.
        release: called once when the reply is complete or closed.
        name: puts the server's name into what is raised after this has returned.

    Raises:
        TooLargeError: the server announced more than the limit.
    """
    content_type = response.headers.get("Content-Type", "application/json").encode("latin-1", "replace")
    length = response.content_length
    if length is not None and length > limit_bytes:
        response.close()
        raise TooLargeError(_too_large(limit_bytes))
    if length is not None and length <= WHOLE_BYTES and response.content_type != EVENT_STREAM:
        try:
            with translated():
                body = await read_body(response, limit_bytes)
        except SilentError as error:
            raise CallTimeoutError(_silent(timeout_s)) from error
        release()
        return RawReply(status=response.status, content_type=content_type, body=body)
    stream = _named(_stream(response, timeout_s=timeout_s, limit_bytes=limit_bytes, release=release), name)
    return RawReply(status=response.status, content_type=content_type, body=stream)


async def _named(
    stream: AsyncGenerator[bytes, None], name: Callable[[HubError], HubError]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream):
        try:
            async for chunk in stream:
                yield chunk
        except HubError as error:
            raise name(error) from error


async def _stream(
    response: aiohttp.ClientResponse, *, timeout_s: float, limit_bytes: int, release: Callable[[], None]
) -> AsyncGenerator[bytes, None]:
    """The body as it comes.

    Raises:
        HubError: it broke off, took too long or grew too large.
    """
    is_events = response.content_type == EVENT_STREAM
    size_bytes = 0
    try:
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout_s
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    with translated():
                        chunk = await response.content.readany()
            except TimeoutError as error:
                raise CallTimeoutError(_silent(timeout_s)) from error
            if not chunk:
                break
            if not is_events or b"data:" in chunk:
                deadline = clock.time() + timeout_s
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                raise TooLargeError(_too_large(limit_bytes))
            yield chunk
    finally:
        if response.content.at_eof():
            response.release()
        else:
            response.close()
        release()


def _silent(timeout_s: float) -> str:
    return f"no answer and no progress within {timeout_s:g} s"


def _too_large(limit_bytes: int) -> str:
    return f"it sent more than {limit_bytes} bytes (`max_message_bytes`)"
