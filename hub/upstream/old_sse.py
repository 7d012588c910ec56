"""The old HTTP+SSE transport: everything the server says comes on one GET stream.

Source: MCP 2024-11-05, basic/transports, HTTP with SSE.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from yarl import URL

from hub.catalog.provider import Json
from hub.errors import HubError, RemoteError, UpstreamDownError
from hub.upstream.connection import Site, refused
from hub.upstream.duplex import DuplexConnection, hold
from hub.upstream.event_stream import EventReader
from hub.upstream.http_wire import EVENT_STREAM, RejectedError, expect_stream, open_request, read_events
from hub.upstream.negotiation import initialize
from hub.upstream.peer import Peer
from hub.upstream.task_scope import open_tasks
from hub.upstream.wire import GarbageError, decode

IN_ORDER_S: Final = 1.0
"""How long a message waits until the server has taken the one before it."""


class _SseStream:
    """The GET stream, and the address that it names for everything sent to the server.

    Messages are sent one after the other, as on a pipe: two at once may overtake each other on their connections, and
    then a server's first question is not the first call's. A server that takes a message only when it has dealt with
    it gets them as they come, since an answer must not wait for the call that asks.
    """

    def __init__(self, site: Site, url: URL) -> None:
        self.peer: Peer | None = None
        self.ended = anyio.Event()
        self.failure: HubError | None = None
        self._site = site
        self._url = url
        self._target: URL | None = None
        self._named = anyio.Event()
        self._turn = anyio.Lock()
        self._in_order = True

    async def follow(self) -> None:
        try:
            await self._read()
        except HubError as error:
            self.failure = error
        except GarbageError:
            self.failure = UpstreamDownError("it sent something that is not MCP")
        finally:
            self.ended.set()
            self._named.set()
            if self.peer is not None:
                self.peer.end(UpstreamDownError(self.describe_end()))

    async def _read(self) -> None:
        headers = {**self._site.settings.headers, "Accept": EVENT_STREAM}
        async with open_request(self._site.links.http, "GET", self._url, headers=headers) as response:
            expect_stream(response)
            async for event in read_events(response, EventReader(limit_bytes=self._site.settings.max_message_bytes)):
                if event.name == "endpoint":
                    self._name(event.data)
                elif event.name == "message" and event.data and self.peer is not None:
                    self.peer.receive(decode(event.data))

    def _name(self, data: bytes) -> None:
        target = self._url.join(URL(data.decode("utf-8", "replace").strip()))
        if target.origin() != self._url.origin():
            raise UpstreamDownError("it names an endpoint at another origin")
        self._target = target
        self._named.set()

    async def send(self, data: bytes) -> None:
        await self._named.wait()
        if self._target is None:
            raise self.failure or UpstreamDownError(self.describe_end())
        has_turn = self._in_order and await self._take_turn()
        try:
            await self._post(self._target, data)
        finally:
            if has_turn:
                self._turn.release()

    async def _take_turn(self) -> bool:
        """Wait until the server has taken the message before; whether it has, in time."""
        with anyio.move_on_after(IN_ORDER_S):
            await self._turn.acquire()
            return True
        self._in_order = False
        return False

    async def _post(self, target: URL, data: bytes) -> None:
        headers = {**self._site.settings.headers, "Content-Type": "application/json"}
        async with open_request(self._site.links.http, "POST", target, headers=headers, body=data) as response:
            if response.status >= 300:
                raise RejectedError(response.status)
            await response.read()

    def describe_end(self) -> str:
        return str(self.failure) if self.failure is not None else "it closed its stream"


@asynccontextmanager
async def open_sse(site: Site) -> AsyncGenerator[DuplexConnection]:
    """Open the stream and make the handshake.

    Raises:
        UpstreamDownError: there is no such server.
    """
    try:
        url = URL(site.settings.url or "")
        url.origin()
    except ValueError as error:
        raise UpstreamDownError("its `url` is not an address") from error
    async with open_tasks() as tasks:
        connection: DuplexConnection | None = None

        def notify(method: str, params: Json) -> None:
            if connection is not None:
                connection.receive_notification(method, params)

        stream = _SseStream(site, url)
        peer = Peer(send=stream.send, tasks=tasks, notify=notify, identity=site.links.identity, logger=site.logger)
        stream.peer = peer
        tasks.start_soon(stream.follow)
        try:
            hello = await initialize(peer, site)
        except RemoteError as error:
            raise refused(error) from error
        except GarbageError as error:
            raise UpstreamDownError("it answered the negotiation with something that is not MCP") from error
        connection = DuplexConnection(peer=peer, hello=hello, site=site, describe_end=stream.describe_end)
        connection.ended = stream.ended
        tasks.start_soon(hold, connection)
        try:
            yield connection
        finally:
            peer.end(UpstreamDownError("it is being stopped"))
