"""Streamable HTTP of the modern era: one POST a request, nothing kept between them.

Source: MCP 2026-07-28, basic/transports/streamable-http.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp
from anyio.abc import TaskGroup
from yarl import URL

from hub.catalog.provider import Json
from hub.errors import UpstreamDownError
from hub.upstream import wire
from hub.upstream.connection import Hello, Site
from hub.upstream.event_stream import EventReader
from hub.upstream.exchange import Exchange
from hub.upstream.headers import AnnotationError, HeaderMap, build_header_map, param_headers, routing_headers
from hub.upstream.http_wire import (
    BOTH,
    EVENT_STREAM,
    DisconnectedError,
    open_request,
    read_events,
    read_message,
    refusal,
)
from hub.upstream.links import CONNECT_TIMEOUT_S
from hub.upstream.listening import ACKNOWLEDGED

_SAFE_TO_REPEAT: Final = frozenset(
    {
        "completion/complete",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "server/discover",
        "tasks/get",
        "tools/list",
    }
)


class ModernHttp:
    """The requests of every caller, over the shared pool."""

    def __init__(self, *, site: Site, url: URL, tasks: TaskGroup) -> None:
        self.url = url
        self.hello: Hello | None = None
        self._site = site
        self._session = site.links.http
        self._tasks = tasks
        self._ids = itertools.count(1)
        self.call_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=site.settings.timeout_s
        )
        self._headers = {**site.settings.headers, "Accept": BOTH, "Content-Type": "application/json"}
        self._header_maps: dict[str, HeaderMap] | None = None
        self.busy = 0

    async def request(self, exchange: Exchange) -> Json:
        """Send one request, pass on what comes before its answer, and return its result."""
        request_id = next(self._ids)
        params = wire.with_envelope(exchange.params, exchange.caller, self._site.links.identity, request_id)
        body = wire.encode(wire.request(request_id, exchange.method, params))
        headers = self.headers_for(exchange.method, params)
        self.busy += 1
        try:
            return await self._request(exchange, headers, body)
        except DisconnectedError:
            # An idle connection that the server closed meanwhile. A tool is not run again on a mere suspicion.
            if exchange.method not in _SAFE_TO_REPEAT:
                raise
            return await self._request(exchange, headers, body)
        finally:
            self.busy -= 1

    async def _request(self, exchange: Exchange, headers: Mapping[str, str], body: bytes) -> Json:
        limit_bytes = self._site.settings.max_message_bytes
        async with open_request(
            self._session, "POST", self.url, headers=headers, body=body, tasks=self._tasks
        ) as response:
            if error := refusal(response):
                raise error
            if response.content_type != EVENT_STREAM:
                return wire.result_of(await read_message(response, limit_bytes))
            async for event in read_events(response, EventReader(limit_bytes=limit_bytes)):
                if not event.data:
                    continue
                message = wire.decode(event.data)
                if wire.is_response(message):
                    return wire.result_of(message)
                await self._receive(message, exchange)
        raise UpstreamDownError("the connection broke before the answer was complete")

    async def _receive(self, message: Json, exchange: Exchange) -> None:
        method: object = message.get("method")
        if not isinstance(method, str) or "id" in message:
            return
        if method in ("notifications/progress", "notifications/message"):
            await exchange.pass_on(method, wire.params_of(message))
        else:
            self._site.notify(method, wire.params_of(message))

    async def listen(self, params: Json, acknowledged: Callable[[], None]) -> None:
        """Hold one stream of changes until it ends."""
        request_id = f"listen-{next(self._ids)}"
        params = wire.with_envelope(params, None, self._site.links.identity, request_id)
        body = wire.encode(wire.request(request_id, "subscriptions/listen", params))
        headers = self.headers_for("subscriptions/listen", params)
        limit_bytes = self._site.settings.max_message_bytes
        async with open_request(self._session, "POST", self.url, headers=headers, body=body) as response:
            if error := refusal(response):
                raise error
            if response.content_type != EVENT_STREAM:
                wire.result_of(await read_message(response, limit_bytes))
                return
            async for event in read_events(response, EventReader(limit_bytes=limit_bytes)):
                message = wire.decode(event.data) if event.data else {}
                method: object = message.get("method")
                if method == ACKNOWLEDGED:
                    acknowledged()
                elif isinstance(method, str):
                    self._site.notify(method, wire.params_of(message))
                elif wire.is_response(message):
                    wire.result_of(message)
                    return

    def headers_for(self, method: str, params: Json) -> dict[str, str]:
        headers = {**self._headers, **routing_headers(method, params)}
        if method == "tools/call" and self._header_maps:
            header_map = self._header_maps.get(str(params.get("name")))
            if header_map:
                headers.update(param_headers(header_map, params.get("arguments")))
        return headers

    @property
    def knows_tools(self) -> bool:
        """Whether the headers that the tools ask for are known."""
        return self._header_maps is not None

    def forget_tools(self) -> None:
        self._header_maps = None

    def learn_tools(self, tools: list[Json]) -> list[Json]:
        """Take the headers that tools ask for; the tools whose annotations are in order.

        Source: MCP 2026-07-28, server/tools, x-mcp-header: clients leave the others out.
        """
        maps: dict[str, HeaderMap] = {}
        good: list[Json] = []
        for tool in tools:
            try:
                header_map = build_header_map(tool.get("inputSchema"))
            except AnnotationError as error:
                self._site.logger.warning("tool %.80s is left out: %s", tool.get("name"), error)
                continue
            good.append(tool)
            if header_map:
                maps[str(tool.get("name"))] = header_map
        self._header_maps = maps
        return good
