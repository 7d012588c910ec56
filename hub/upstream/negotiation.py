"""Finding out which era the server at the other end of a duplex connection speaks.

Source: MCP 2026-07-28, basic/lifecycle, backwards compatibility: `server/discover` first, `initialize` otherwise.
"""

from typing import Final

import anyio

from hub.catalog.provider import Era, Json
from hub.errors import HubError, RemoteError, UpstreamDownError
from hub.upstream.connection import Hello, Site, from_discover, from_initialize, initialize_params, refused
from hub.upstream.extension import declared
from hub.upstream.peer import Peer, ask_once
from hub.upstream.task_scope import open_tasks, wait_first
from hub.upstream.wire import EVERY_CAPABILITY, GarbageError

PROBE_S: Final = 3.0
"""How long a server may be silent after the probe. A slow modern server loses nothing when it passes: the `initialize`
that then follows is refused by it, and its answer to the probe still counts."""
NOISE_S: Final = 0.5
"""The same, from the first line on its output that is no message."""


async def negotiate(peer: Peer, site: Site, noise: anyio.Event) -> Hello:
    """Agree on an era with a server, within the time the caller sets.

    Raises:
        UpstreamDownError: there is no era in common, or the server is gone.
    """
    try:
        if site.pinned == "legacy" or (site.pinned is None and site.hint == "legacy"):
            return await initialize(peer, site)
        if site.pinned == "modern":
            return await _discover(peer, site)
        return await _Probe(peer, site, noise).run()
    except RemoteError as error:
        site.logger.warning("the negotiation was refused: %s", error)
        raise refused(error) from error
    except GarbageError as error:
        raise UpstreamDownError("it answered the negotiation with something that is not MCP") from error


async def initialize(peer: Peer, site: Site) -> Hello:
    """The handshake of the legacy era."""
    peer.era = "legacy"
    params = initialize_params(site.links.identity, declared(EVERY_CAPABILITY, site.extensions))
    hello = from_initialize(await ask_once(peer, "initialize", params, site.settings.start_timeout_s))
    await peer.notify("notifications/initialized")
    return hello


async def _discover(peer: Peer, site: Site) -> Hello:
    peer.era = "modern"
    hello = from_discover(await ask_once(peer, "server/discover", {}, site.settings.start_timeout_s))
    if hello is None:
        raise UpstreamDownError("it does not speak the modern era, which `era` asks for")
    return hello


class _Probe:
    """`server/discover`, and `initialize` beside it once the first is refused or long unanswered."""

    def __init__(self, peer: Peer, site: Site, noise: anyio.Event) -> None:
        self._peer = peer
        self._site = site
        self._noise = noise
        self._outcomes: dict[Era, Json | Exception] = {}
        self._answered = anyio.Event()

    async def run(self) -> Hello:
        hello: Hello | None = None
        async with open_tasks() as tasks:
            self._peer.era = "modern"
            tasks.start_soon(self._try, "modern", "server/discover", dict[str, object]())
            await self._wait_for_probe()
            hello = self._modern()
            if hello is None:
                self._peer.era = "legacy"
                capabilities = declared(EVERY_CAPABILITY, self._site.extensions)
                params = initialize_params(self._site.links.identity, capabilities)
                tasks.start_soon(self._try, "legacy", "initialize", params)
                while (hello := self._decide()) is None:
                    self._answered = anyio.Event()
                    await self._answered.wait()
        self._peer.era = hello.era
        if hello.era == "legacy":
            await self._peer.notify("notifications/initialized")
        return hello

    async def _try(self, era: Era, method: str, params: Json) -> None:
        try:
            self._outcomes[era] = await ask_once(self._peer, method, params, self._site.settings.start_timeout_s)
        except (HubError, GarbageError) as error:
            self._outcomes[era] = error
        self._answered.set()

    async def _wait_for_probe(self) -> None:
        with anyio.move_on_after(PROBE_S):
            await wait_first(self._answered, self._noise)
            with anyio.move_on_after(NOISE_S):
                await self._answered.wait()

    def _modern(self) -> Hello | None:
        outcome = self._outcomes.get("modern")
        return from_discover(outcome) if isinstance(outcome, dict) else None

    def _decide(self) -> Hello | None:
        if (hello := self._modern()) is not None:
            return hello
        legacy = self._outcomes.get("legacy")
        if isinstance(legacy, dict):
            return from_initialize(legacy)
        if legacy is not None and "modern" in self._outcomes:
            raise legacy
        return None
