"""One session of legacy Streamable HTTP.

Source: MCP 2025-11-25, basic/transports, Streamable HTTP.
"""

import itertools
from collections.abc import AsyncIterator
from typing import Final

import anyio
from anyio.abc import TaskGroup
from yarl import URL

from hub.catalog.provider import Json
from hub.errors import HubError, RemoteError, UnsupportedError, UpstreamDownError
from hub.upstream import wire
from hub.upstream.backoff import Backoff
from hub.upstream.connection import Hello, Site, from_initialize, initialize_params
from hub.upstream.event_stream import Event, EventReader
from hub.upstream.exchange import Exchange
from hub.upstream.http_wire import (
    BOTH,
    EVENT_STREAM,
    RejectedError,
    expect_stream,
    open_request,
    read_events,
    read_message,
    refusal,
)
from hub.upstream.in_flight import InFlight
from hub.upstream.log_threshold import LogThreshold

DEFAULT_RETRY_MS: Final = 1000
MAX_RETRY_MS: Final = 30_000
RESUME_TRIES: Final = 5
DELETE_TIMEOUT_S: Final = 2.0


class LegacySession:
    """A session in which the hub declared certain capabilities."""

    def __init__(self, *, site: Site, url: URL, capabilities: Json, tasks: TaskGroup) -> None:
        self._site = site
        self._url = url
        self._capabilities = capabilities
        self._session = site.links.http
        self._tasks = tasks
        self._ids = itertools.count(1)
        self._renewing = anyio.Lock()
        self._generation = 0
        self._standing: anyio.CancelScope | None = None
        self._watched: frozenset[str] = frozenset()
        self._in_flight = InFlight(tasks=tasks, reply=self._post, notify=site.notify, logger=site.logger)
        self.session_id: str | None = None
        self.hello: Hello | None = None
        self.users = 0
        """How many use the session right now; an idle one may be closed."""

    @property
    def busy(self) -> int:
        return len(self._in_flight.exchanges)

    async def open(self) -> Hello:
        """Make the session.

        Raises:
            RemoteError: the server refuses the handshake.
            UpstreamDownError: it is not there.
        """
        self.session_id = None
        self.hello = None
        params = initialize_params(self._site.links.identity, self._capabilities)
        exchange = Exchange("initialize", params, None, self._site.settings.start_timeout_s)
        hello = from_initialize(await exchange.run(self._send))
        self.hello = hello
        self._threshold = LogThreshold(hello)
        self._generation += 1
        await self._post(wire.notification("notifications/initialized"))
        if self._standing is not None:
            self._standing.cancel()
        self._standing = anyio.CancelScope()
        self._tasks.start_soon(self._stand, self._standing)
        return hello

    async def close(self) -> None:
        """Tell the server that the session is over."""
        if self._standing is not None:
            self._standing.cancel()
        if self.session_id is None:
            return
        with anyio.move_on_after(DELETE_TIMEOUT_S, shield=True):
            try:
                async with open_request(self._session, "DELETE", self._url, headers=self._headers()):
                    self.session_id = None
            except UpstreamDownError as error:
                self._site.logger.info("a session could not be ended: %s", error)

    async def request(self, exchange: Exchange) -> Json:
        """Send one request; a session that the server has forgotten is made anew, once."""
        generation = self._generation
        try:
            return await self._request(exchange)
        except RejectedError as error:
            if error.status != 404 or self.session_id is None:
                raise
        await self._renew(generation)
        return await self._request(exchange)

    async def watch_resources(self, uris: frozenset[str]) -> None:
        if self.hello is None or not self.hello.has_flag("resources", "subscribe"):
            raise UnsupportedError("the server does not tell changes of resources")
        for uri in sorted(uris - self._watched):
            await self.ask("resources/subscribe", {"uri": uri})
            self._watched |= {uri}
        for uri in sorted(self._watched - uris):
            self._watched -= {uri}
            await self.ask("resources/unsubscribe", {"uri": uri})

    async def ask(self, method: str, params: Json) -> Json:
        """A request of the hub's own."""
        return await Exchange(method, params, None, self._site.settings.start_timeout_s).run(self.request)

    async def _renew(self, generation: int) -> None:
        async with self._renewing:
            if generation == self._generation:
                watched, self._watched = self._watched, frozenset()
                try:
                    await self.open()
                except RemoteError as error:
                    raise UpstreamDownError("it lost its session and refused a new one") from error
                if watched:
                    await self.watch_resources(watched)

    async def _request(self, exchange: Exchange) -> Json:
        caller = exchange.caller
        if caller is not None and self._threshold.must_lower(caller.log_level):
            await self._threshold.lower(caller.log_level, self.ask)
        return await self._send(exchange)

    async def _send(self, exchange: Exchange) -> Json:
        request_id = next(self._ids)
        params = wire.with_meta(exchange.params, exchange.caller, request_id)
        body = wire.encode(wire.request(request_id, exchange.method, params))
        self._in_flight.add(request_id, exchange)
        try:
            message = await self._exchange(exchange, body)
            await exchange.told()
        except anyio.get_cancelled_exc_class():
            if exchange.method != "initialize":
                reason = "timeout" if exchange.timed_out else "cancelled"
                note = wire.notification("notifications/cancelled", {"requestId": request_id, "reason": reason})
                self._tasks.start_soon(self._post, note)
            raise
        finally:
            self._in_flight.remove(request_id)
        return wire.result_of(message)

    async def _exchange(self, exchange: Exchange, body: bytes) -> Json:
        """POST a request; its response message, from the answer or from where the answer is taken up again."""
        limit_bytes = self._site.settings.max_message_bytes
        reader = EventReader(limit_bytes=limit_bytes)
        try:
            async with open_request(
                self._session, "POST", self._url, headers=self._headers(), body=body, tasks=self._tasks
            ) as response:
                if exchange.method == "initialize":
                    self.session_id = response.headers.get("Mcp-Session-Id")
                if error := refusal(response):
                    raise error
                if response.content_type != EVENT_STREAM:
                    self._check_session(response.status)
                    return await read_message(response, limit_bytes)
                if (message := await self._read(read_events(response, reader), exchange)) is not None:
                    return message
        except RejectedError:
            raise
        except UpstreamDownError:
            if reader.last_id is None:
                raise
        if reader.last_id is None:
            raise UpstreamDownError("the connection broke before the answer was complete")
        return await self._resume(exchange, reader)

    def _check_session(self, status: int) -> None:
        """A 404 with a session means that the server has forgotten it.

        Source: MCP 2025-11-25, basic/transports, session management.
        """
        if status == 404 and self.session_id is not None:
            raise RejectedError(404)

    async def _resume(self, exchange: Exchange, reader: EventReader) -> Json:
        """Take up a stream that ended before its answer, from the last event that arrived.

        Source: MCP 2025-11-25, basic/transports, resumability and redelivery.
        """
        for _ in range(RESUME_TRIES):
            reader.restart()
            await anyio.sleep(_retry_s(reader))
            headers = {**self._headers(), "Accept": EVENT_STREAM, "Last-Event-ID": reader.last_id or ""}
            try:
                async with open_request(
                    self._session, "GET", self._url, headers=headers, tasks=self._tasks
                ) as response:
                    expect_stream(response)
                    message = await self._read(read_events(response, reader), exchange)
                    if message is not None:
                        return message
            except RejectedError as error:
                raise UpstreamDownError("the answer broke off and could not be taken up again") from error
            except UpstreamDownError as error:
                self._site.logger.info("an answer could not be taken up again yet: %s", error)
        raise UpstreamDownError("the answer broke off and could not be taken up again")

    async def _read(self, events: AsyncIterator[Event], exchange: Exchange) -> Json | None:
        """Follow a request's own stream: what comes on it belongs to that request."""
        async for event in events:
            if not event.data:
                continue
            message = wire.decode(event.data)
            if wire.is_response(message):
                return message
            method: object = message.get("method")
            if method in ("notifications/progress", "notifications/message"):
                await exchange.pass_on(str(method), wire.params_of(message))
            else:
                self._in_flight.receive(message, exchange)
        return None

    async def _stand(self, scope: anyio.CancelScope) -> None:
        """Hold the stream of what belongs to no request, if the server has one."""
        reader = EventReader(limit_bytes=self._site.settings.max_message_bytes)
        backoff = Backoff()
        with scope:
            while await self._stand_once(reader, backoff):
                await anyio.sleep(max(_retry_s(reader), backoff.next_delay_s()))
                reader.restart()

    async def _stand_once(self, reader: EventReader, backoff: Backoff) -> bool:
        """One stream to its end; whether to try again."""
        headers = {**self._headers(), "Accept": EVENT_STREAM}
        if reader.last_id is not None:
            headers["Last-Event-ID"] = reader.last_id
        try:
            async with open_request(self._session, "GET", self._url, headers=headers) as response:
                if response.status != 200 or response.content_type != EVENT_STREAM:
                    return response.status >= 500
                async for event in read_events(response, reader):
                    backoff.reset()
                    if event.data:
                        self._in_flight.receive(wire.decode(event.data))
        except (HubError, wire.GarbageError) as error:
            self._site.logger.info("the stream of a session broke: %s", error)
        return True

    async def _post(self, message: Json) -> None:
        """Send what has no answer: a notification, or the response to a question."""
        try:
            async with open_request(
                self._session, "POST", self._url, headers=self._headers(), body=wire.encode(message)
            ) as response:
                if response.status >= 400:
                    self._site.logger.info("a message was refused with HTTP %d", response.status)
        except UpstreamDownError as error:
            self._site.logger.info("a message was not delivered: %s", error)

    def _headers(self) -> dict[str, str]:
        headers = {**self._site.settings.headers, "Accept": BOTH, "Content-Type": "application/json"}
        if self.session_id is not None:
            headers["Mcp-Session-Id"] = self.session_id
        if self.hello is not None and self.hello.protocol_version > "2025-03-26":
            headers["MCP-Protocol-Version"] = self.hello.protocol_version
        return headers


def _retry_s(reader: EventReader) -> float:
    return min(DEFAULT_RETRY_MS if reader.retry_ms is None else reader.retry_ms, MAX_RETRY_MS) / 1000
