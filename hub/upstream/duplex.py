"""A negotiated connection on which everything travels in one pair of streams: stdio, or the old HTTP+SSE."""

from collections.abc import Callable

import anyio

from hub.catalog.provider import Json, RawReply
from hub.errors import HubError, UnsupportedError
from hub.upstream import wire
from hub.upstream.connection import Hello, Site
from hub.upstream.exchange import Exchange
from hub.upstream.listening import ACKNOWLEDGED, Listening
from hub.upstream.log_threshold import LogThreshold
from hub.upstream.peer import Peer, ask_once


class DuplexConnection:
    """Requests over one `Peer`, in the era that was agreed on."""

    def __init__(self, *, peer: Peer, hello: Hello, site: Site, describe_end: Callable[[], str]) -> None:
        self.hello = hello
        self.ended = anyio.Event()
        self._peer = peer
        self._site = site
        self._describe_end = describe_end
        self._threshold = LogThreshold(hello)
        self._watched: frozenset[str] = frozenset()
        self._on_acknowledged: Callable[[], None] | None = None
        self._listening: Listening | None = None
        if hello.era == "modern":
            self._listening = Listening(hello=hello, open_stream=self._listen, site=site)

    @property
    def busy(self) -> int:
        return self._peer.busy

    def pushes(self, exchange: Exchange) -> bool:
        return self.hello.era == "legacy"

    async def request(self, exchange: Exchange) -> Json:
        if exchange.caller is not None and self._threshold.must_lower(exchange.caller.log_level):
            await self._threshold.lower(exchange.caller.log_level, self._ask)
        return await self._peer.request(exchange)

    async def watch_resources(self, uris: frozenset[str]) -> None:
        if self._listening is not None:
            await self._listening.watch_resources(uris)
            return
        if not self.hello.has_flag("resources", "subscribe"):
            raise UnsupportedError("the server does not tell changes of resources")
        for uri in sorted(uris - self._watched):
            await self._ask("resources/subscribe", {"uri": uri})
            self._watched |= {uri}
        for uri in sorted(self._watched - uris):
            self._watched -= {uri}
            await self._ask("resources/unsubscribe", {"uri": uri})

    def watch_tasks(self, task_ids: frozenset[str]) -> None:
        if self._listening is not None:
            self._listening.watch_tasks(task_ids)

    def learn_tools(self, tools: list[Json]) -> list[Json]:
        return tools

    def forget_tools(self) -> None:
        pass

    @property
    def can_relay(self) -> bool:
        return False

    async def relay(self, request: Json, release: Callable[[], None], name: Callable[[HubError], HubError]) -> RawReply:
        raise UnsupportedError("this transport has no short lane")

    async def check(self) -> None:
        await self._ask("ping" if self.hello.era == "legacy" else "server/discover", {})

    def describe_end(self) -> str:
        return self._describe_end()

    async def run(self) -> None:
        """What goes on beside the calls."""
        if self._listening is not None:
            await self._listening.run()

    def receive_notification(self, method: str, params: Json) -> None:
        if method == ACKNOWLEDGED:
            if self._on_acknowledged is not None:
                self._on_acknowledged()
        else:
            self._site.notify(method, params)

    async def _ask(self, method: str, params: Json) -> Json:
        return await ask_once(self._peer, method, params, self._site.settings.start_timeout_s)

    async def _listen(self, params: Json, acknowledged: Callable[[], None]) -> None:
        self._on_acknowledged = acknowledged
        await self._peer.request(Exchange("subscriptions/listen", params, None, float("inf")))


async def hold(connection: DuplexConnection) -> None:
    """Run what goes on beside the calls; a failure there ends the connection."""
    try:
        await connection.run()
    except (HubError, wire.GarbageError):
        connection.ended.set()
