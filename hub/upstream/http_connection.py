"""A server that is reached over Streamable HTTP, of either era or of both."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup
from yarl import URL

from hub.catalog.provider import Json, RawReply
from hub.errors import CallTimeoutError, HubError, RemoteError, UnsupportedError, UpstreamDownError
from hub.upstream import relay
from hub.upstream.connection import HandshakeError, Hello, NotReachedError, Site, from_discover, refused
from hub.upstream.exchange import Exchange
from hub.upstream.http_wire import RejectedError
from hub.upstream.legacy_session import LegacySession
from hub.upstream.legacy_sessions import LegacySessions
from hub.upstream.listening import Listening
from hub.upstream.modern_http import ModernHttp
from hub.upstream.task_scope import open_tasks
from hub.upstream.wire import EVERY_CAPABILITY, GarbageError

MAX_REDIRECTS: Final = 3
_PUSHING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Requests in which a server may ask: they go in the caller's own era where the server has both."""


class HttpConnection:
    """A modern leg, or a legacy session for the hub's own requests; and sessions for callers of the legacy era."""

    def __init__(
        self,
        *,
        site: Site,
        hello: Hello,
        modern: ModernHttp | None,
        own: LegacySession | None,
        sessions: LegacySessions,
    ) -> None:
        self.hello = hello
        self.ended = anyio.Event()
        self.modern = modern
        self._site = site
        self._own = own
        self._sessions = sessions
        self._has_legacy = site.pinned != "modern"
        self._listening: Listening | None = None
        if modern is not None:
            self._listening = Listening(hello=hello, open_stream=modern.listen, site=site)

    @property
    def busy(self) -> int:
        own = self._own.busy if self._own is not None else 0
        return own + self._sessions.busy + (self.modern.busy if self.modern is not None else 0)

    def pushes(self, exchange: Exchange) -> bool:
        if self.modern is None:
            return True
        caller = exchange.caller
        return self._has_legacy and caller is not None and caller.era == "legacy" and exchange.method in _PUSHING

    async def request(self, exchange: Exchange) -> Json:
        if self.modern is not None:
            if self.pushes(exchange):
                result = await self._request_legacy(exchange, self.modern)
                if result is not None:
                    return result
            return await self.modern.request(exchange)
        if exchange.caller is not None:
            async with self._sessions.use(exchange.caller) as session:
                return await session.request(exchange)
        if self._own is None:
            raise UpstreamDownError("it is being stopped")
        return await self._own.request(exchange)

    async def _request_legacy(self, exchange: Exchange, modern: ModernHttp) -> Json | None:
        """Ask in the caller's era a server that may have it; None if it turns out that it has not."""
        if exchange.caller is None:
            return None
        try:
            async with self._sessions.use(exchange.caller) as session:
                if session.session_id is not None:
                    return await session.request(exchange)
        except HandshakeError as error:
            self._site.logger.info("it speaks the modern era only: %s", error)
        self._has_legacy = False
        return None

    async def watch_resources(self, uris: frozenset[str]) -> None:
        if self._listening is not None:
            await self._listening.watch_resources(uris)
        elif self._own is not None:
            await self._own.watch_resources(uris)

    def watch_tasks(self, task_ids: frozenset[str]) -> None:
        if self._listening is not None:
            self._listening.watch_tasks(task_ids)

    def learn_tools(self, tools: list[Json]) -> list[Json]:
        return tools if self.modern is None else self.modern.learn_tools(tools)

    def forget_tools(self) -> None:
        if self.modern is not None:
            self.modern.forget_tools()

    @property
    def can_relay(self) -> bool:
        return self.modern is not None and self.modern.knows_tools

    async def relay(self, request: Json, release: Callable[[], None], name: Callable[[HubError], HubError]) -> RawReply:
        if self.modern is None:
            raise UnsupportedError("a legacy server has no short lane")
        settings = self._site.settings
        response = await relay.send(self.modern, self._site.links.http, request)
        return await relay.receive(
            response,
            timeout_s=settings.timeout_s,
            limit_bytes=settings.max_message_bytes,
            release=release,
            name=name,
        )

    async def check(self) -> None:
        timeout_s = self._site.settings.start_timeout_s
        if self.modern is not None:
            await Exchange("server/discover", {}, None, timeout_s).run(self.modern.request)
        elif self._own is not None:
            await self._own.ask("ping", {})

    def describe_end(self) -> str:
        return "the connection was given up"

    async def close(self) -> None:
        await self._sessions.close()
        if self._own is not None:
            await self._own.close()

    async def run(self) -> None:
        """What goes on beside the calls."""
        if self._listening is not None:
            await self._listening.run()


@asynccontextmanager
async def open_http(site: Site) -> AsyncGenerator[HttpConnection]:
    """Negotiate with a server, and end the sessions at it on the way out.

    Raises:
        UpstreamDownError: there is no server, or none that speaks MCP.
    """
    async with open_tasks() as tasks:
        url = endpoint_of(site.settings.url or "")
        connection = await _negotiate_redirected(site, url, tasks)
        tasks.start_soon(_hold, connection)
        try:
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()


def endpoint_of(address: str) -> URL:
    """The address with the usual path where it names none.

    Raises:
        UpstreamDownError: it is not an address.
    """
    try:
        url = URL(address)
    except ValueError as error:
        raise UpstreamDownError("its `url` is not an address") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UpstreamDownError("its `url` is not an http:// or https:// address")
    return url.with_path("/mcp") if url.raw_path in ("", "/") and not address.endswith("/") else url


async def _negotiate_redirected(site: Site, url: URL, tasks: TaskGroup) -> HttpConnection:
    """Negotiate where the server has its endpoint: redirects that keep the method are followed within its origin."""
    for _ in range(MAX_REDIRECTS):
        try:
            return await _negotiate(site, url, tasks)
        except RejectedError as error:
            if error.status not in (307, 308) or error.location is None:
                raise
            target = url.join(URL(error.location))
            if target.origin() != url.origin():
                raise UpstreamDownError("it redirects to another origin; check `url`") from error
            url = target
    raise UpstreamDownError("it redirects in circles; check `url`")


async def _negotiate(site: Site, url: URL, tasks: TaskGroup) -> HttpConnection:
    sessions = LegacySessions(site=site, url=url, tasks=tasks)
    if (site.pinned or site.hint) != "legacy":
        modern = ModernHttp(site=site, url=url, tasks=tasks)
        hello = await _discover(site, modern)
        if hello is not None:
            return HttpConnection(site=site, hello=hello, modern=modern, own=None, sessions=sessions)
    own = LegacySession(site=site, url=url, capabilities=EVERY_CAPABILITY, tasks=tasks)
    try:
        hello = await own.open()
    except RemoteError as error:
        site.logger.warning("the negotiation was refused: %s", error)
        raise refused(error) from error
    except GarbageError as error:
        raise UpstreamDownError("it answered the negotiation with something that is not MCP") from error
    return HttpConnection(site=site, hello=hello, modern=None, own=own, sessions=sessions)


async def _discover(site: Site, modern: ModernHttp) -> Hello | None:
    """Ask for the modern era; None if the other one is to be tried."""
    timeout_s = site.settings.start_timeout_s * (1.0 if site.pinned == "modern" else 0.5)
    hello: Hello | None = None
    try:
        hello = from_discover(await Exchange("server/discover", {}, None, timeout_s).run(modern.request))
    except (NotReachedError, HandshakeError):
        raise
    except RejectedError as error:
        if error.status in (307, 308, 401, 403, 407) or site.pinned == "modern":
            raise
    except RemoteError as error:
        if site.pinned == "modern":
            raise refused(error) from error
    except (CallTimeoutError, UpstreamDownError, GarbageError) as error:
        if site.pinned == "modern":
            raise UpstreamDownError("it did not answer the negotiation") from error
    if hello is None and site.pinned == "modern":
        raise UpstreamDownError("it does not speak the modern era, which `era` asks for")
    return hello


async def _hold(connection: HttpConnection) -> None:
    """Run what goes on beside the calls; a failure there ends the connection."""
    try:
        await connection.run()
    except (HubError, GarbageError):
        connection.ended.set()
