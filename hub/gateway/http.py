"""The HTTP face of the hub: one ASGI application over both lanes, `/healthz` and `/readyz`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
from pydantic_core import to_json

from hub.catalog.catalog import Catalog
from hub.catalog.provider import Json, RawReply
from hub.errors import HubError
from hub.gateway.doorkeeper import Doorkeeper
from hub.gateway.lane import ROUTING_HEADERS, ShortLane
from hub.gateway.pace import FREE_BYTES, PacedSend
from hub.gateway.readiness import readiness
from hub.gateway.settings import GatewaySettings
from hub.gateway.shape import shape_error

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

_JSON = b"application/json"
_BODY_S = 60.0
_WATCH_AFTER_S = 0.05


class _ClientGoneError(Exception):
    pass


class HttpGateway:
    """Checks who may come in, reads the body within its bounds and picks the lane."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        settings: GatewaySettings,
        doorkeeper: Doorkeeper,
        lane: ShortLane | None,
        long_road: Callable[[], Awaitable[AsgiApp]],
        stalled_s: float = 60.0,
    ) -> None:
        """Args:
        lane: None where every call takes the SDK's road.
        long_road: gives the SDK's application, loading it at the first need.
        stalled_s: seconds that a client may leave its streamed answer unread; a server's slot waits for no longer.
        """
        self._catalog = catalog
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._lane = lane
        self._long_road = long_road
        self._stalled_s = stalled_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # httptools leaves blanks around header values; RFC 9110 section 5.5 has them taken off
        headers: list[tuple[bytes, bytes]] = [(key, value.strip()) for key, value in scope["headers"]]
        scope["headers"] = headers
        given = dict(reversed(headers))
        path = scope["path"]
        if path == "/healthz":
            await _reply(send, 200, {"status": "ok"})
            return
        refusal = self._doorkeeper.refusal(given)
        if refusal is not None:
            await _refuse(send, refusal.status, refusal.message, refusal.headers)
        elif path == "/readyz":
            is_ready, body = readiness(self._catalog)
            await _reply(send, 200 if is_ready else 503, body)
        elif path == self._settings.path:
            await self._endpoint(scope, given, receive, send)
        else:
            await _refuse(send, 404, f"there is nothing here; the MCP endpoint is {self._settings.path}")

    async def _endpoint(self, scope: Scope, given: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await (await self._long_road())(scope, receive, PacedSend(send))
            return
        try:
            body = await self._read_body(given, receive)
        except _ClientGoneError:
            return
        except TimeoutError:
            await _refuse(send, 408, "the request's body did not arrive in time")
            return
        if body is None:
            limit = self._settings.max_body_bytes
            await _refuse(send, 413, f"the request is over {limit} bytes (gateway.max_body_bytes)")
            return
        lane = None if _has_repeated_routing(scope["headers"], given) else self._lane
        if lane is not None and await self._took_short_lane(lane, given, body, receive, send):
            return
        long_road = await self._long_road()
        problem = shape_error(body)
        if problem is not None:
            await _reply(send, 400, {"jsonrpc": "2.0", "id": None, "error": problem})
            return
        await long_road(scope, _replay(body, receive), PacedSend(send))

    async def _read_body(self, given: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The whole body, or None where it is over the limit."""
        limit = self._settings.max_body_bytes
        length = given.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            return None
        message = await self._first_part(receive)
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body if len(body) <= limit else None
        parts, size = [body], len(body)
        with anyio.fail_after(_BODY_S):
            while message.get("more_body"):
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _ClientGoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    return None
        return b"".join(parts)

    async def _first_part(self, receive: Receive) -> Message:
        async with asyncio.timeout(_BODY_S):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        return message

    async def _took_short_lane(
        self, lane: ShortLane, given: dict[bytes, bytes], body: bytes, receive: Receive, send: Send
    ) -> bool:
        loop = asyncio.get_running_loop()
        watch = _DisconnectWatch(receive, asyncio.current_task())
        # A task for each call would cost a tenth of it; most calls are answered before one is worth its while.
        timer = loop.call_later(_WATCH_AFTER_S, watch.start, loop)
        try:
            reply = await lane.answer(given, body)
            if reply is not None:
                await _send_reply(send, reply, self._stalled_s)
        except asyncio.CancelledError:
            if watch.took_back_the_cancel():
                return True  # the client went away; its call was cancelled on the way out
            raise
        finally:
            timer.cancel()
            watch.end()
        return reply is not None


def _has_repeated_routing(headers: list[tuple[bytes, bytes]], given: dict[bytes, bytes]) -> bool:
    return len(headers) != len(given) and any(sum(key == name for key, _ in headers) > 1 for name in ROUTING_HEADERS)


class _DisconnectWatch:
    """Cancels a request's task when its client goes away."""

    def __init__(self, receive: Receive, request: "asyncio.Task[Any] | None") -> None:
        self._receive = receive
        self._request = request
        self._task: asyncio.Task[None] | None = None
        self._client_left = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._run())

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def took_back_the_cancel(self) -> bool:
        """Whether the cancellation was this watch's own and nobody else's too."""
        return self._client_left and self._request is not None and self._request.uncancel() == 0

    async def _run(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._client_left = True
        if self._request is not None:
            self._request.cancel()


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body read so far, then whatever comes."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


async def _send_reply(send: Send, reply: RawReply, stalled_s: float) -> None:
    headers = [(b"content-type", reply.content_type)]
    body = reply.body
    if isinstance(body, bytes):
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if len(body) > FREE_BYTES:
            send = PacedSend(send)
        await send({"type": "http.response.body", "body": body})
        return
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        send = PacedSend(send)
        async for chunk in body:
            async with asyncio.timeout(stalled_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        log.warning("a client left its answer unread for %g s: the connection is given up", stalled_s)
    except HubError as error:
        log.warning("an answer broke off on its way to the client: %s: %s", error.code, error)
    finally:
        await body.aclose()


async def _reply(send: Send, status: int, body: Json, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    data = to_json(body)
    base = [(b"content-type", _JSON), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": status, "headers": [*base, *headers]})
    await send({"type": "http.response.body", "body": data})


async def _refuse(send: Send, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    error: Json = {"code": -32600, "message": message}
    await _reply(send, status, {"jsonrpc": "2.0", "id": None, "error": error}, headers)
