"""A process that serves a configuration over HTTP or a pipe."""

import logging
import secrets
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio

from hub.app.agents import Agents, agents_of, open_agents
from hub.app.bridge import bridge_to
from hub.app.hub import NAME, VERSION, Hub, open_hub, wanted_of
from hub.catalog.provider import Json
from hub.config import (
    LoadedConfig,
    Places,
    hold_lock,
    read_running,
    remove_running,
    token_from,
    watch_config,
    write_running,
)
from hub.errors import ConfigError, HubError
from hub.gateway.doorkeeper import Doorkeeper, is_loopback
from hub.gateway.http import HttpGateway
from hub.gateway.lane import ShortLane
from hub.gateway.listener import bind, listen
from hub.gateway.long_road import LongRoad
from hub.gateway.settings import GatewaySettings
from hub.gateway.stdio import serve_stdio

log = logging.getLogger(__name__)

LOCAL = "local"
"""The identity of whoever reaches the hub on its loopback address, its pipe or with its one token."""

_TAKE_OVER_EVERY_S = 1.0


class Serving:
    """One process that serves a configuration: it leads, with the servers themselves, or follows, with a bridge.

    The first process of a configuration leads. Another one puts the leader's endpoint behind its own front as one
    transparent server, and takes the lead, with servers of its own, when the leader is gone; its client keeps its
    connection.
    """

    def __init__(self, *, hub: Hub, loaded: LoadedConfig, places: Places, settings: GatewaySettings) -> None:
        self._hub = hub
        self._loaded = loaded
        self._places = places
        self._settings = settings
        self._listening = anyio.Event()
        self.stop = anyio.Event()

    async def listen(self, sock: socket.socket, *, token: str | None, on_ready: Callable[[str], None]) -> None:
        """Serve HTTP on a bound socket until `stop`."""
        settings, catalog = self._settings, self._hub.catalog
        url = _url_of(sock, settings)
        info: Json = {"name": NAME, "version": VERSION, "title": "Interop hub"}
        long_road = LongRoad(catalog=catalog, settings=settings, name=NAME, version=VERSION, identity=LOCAL)
        gateway = HttpGateway(
            catalog=catalog,
            settings=settings,
            doorkeeper=Doorkeeper(settings, host=settings.host, token=token),
            lane=ShortLane(catalog, identity=LOCAL, server_info=info) if settings.short_lane else None,
            long_road=long_road.app,
        )

        async with anyio.create_task_group() as group:
            group.start_soon(long_road.run)
            group.start_soon(self.lead_or_follow, url, token, on_ready)
            await listen(gateway, sock, stop=self.stop, on_listening=self._listening.set)
            group.cancel_scope.cancel()

    async def lead_or_follow(self, url: str, token: str | None, on_ready: Callable[[str], None]) -> None:
        """Take the lead when it is free, until cancelled."""
        await self._listening.wait()
        is_told = False
        while True:
            with hold_lock(self._places) as has_lead:
                if has_lead:
                    await self._lead(url, token, (lambda _: None) if is_told else on_ready)
            running = read_running(self._places)
            if running is not None and running.url != url:
                await self._hub.apply({"hub": bridge_to(running)})
                if not is_told:
                    on_ready(url)
                    is_told = True
            await anyio.sleep(_TAKE_OVER_EVERY_S)

    async def _lead(self, url: str, token: str | None, on_ready: Callable[[str], None]) -> None:
        write_running(self._places, url=url, token=token, started_at=datetime.now(UTC))
        try:
            on_ready(url)
            own = frozenset({url})
            async with open_agents(self._places, self._hub.catalog, self._hub.links, own) as agents:
                self._hub.catalog.expect()  # whoever calls until they are here waits, also when another hub's leave now
                await self._apply(self._loaded, agents)
                async for found in watch_config(self._loaded):
                    await self._apply_change(found, agents)
        finally:
            remove_running(self._places)

    async def _apply(self, loaded: LoadedConfig, agents: Agents) -> None:
        await self._hub.apply({**wanted_of(loaded), **await agents.apply(agents_of(loaded))})

    async def _apply_change(self, found: LoadedConfig | ConfigError, agents: Agents) -> None:
        """Apply a change of the configuration file; a broken one changes nothing and is told in the log."""
        try:
            if isinstance(found, ConfigError):
                raise found
            await self._apply(found, agents)
        except HubError as error:
            log.error("the change of the configuration was not applied: %s", error)  # noqa: TRY400  # for the operator
        else:
            log.info("the change of the configuration was applied")

    async def serve_pipe(self) -> None:
        """Serve one client on standard input and output until it closes the pipe."""
        await serve_stdio(self._hub.catalog, name=NAME, version=VERSION, identity=LOCAL)
        self.stop.set()

    async def stop_on_signals(self) -> None:
        """End at SIGINT or SIGTERM."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                self.stop.set()


def _url_of(sock: socket.socket, settings: GatewaySettings) -> str:
    port: int = sock.getsockname()[1]
    host = settings.host if is_loopback(settings.host) else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{settings.path}"


async def serve(loaded: LoadedConfig, places: Places, *, stdio: bool, on_ready: Callable[[str], None]) -> int:
    """Serve a configuration until SIGINT or SIGTERM, or until the client closes the pipe.

    Args:
        stdio: serve one client on standard input and output. The process also listens on a free loopback port behind
            a token of its own, by which later starts for the same configuration find it.
        on_ready: told the endpoint's address once it listens.

    Returns:
        The exit code.

    Raises:
        ConfigError: the address can't be had, or it needs a token.
    """
    settings = loaded.resolved.gateway
    token = token_from(None if settings.token_file is None else Path(settings.token_file))
    if stdio:
        settings = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
        token = secrets.token_urlsafe(32)
    elif not is_loopback(settings.host) and token is None:
        raise ConfigError(
            f"gateway.host: found {settings.host!r}, which others can reach, and no token; "
            "expected --token-file, `gateway.token_file` or HUB_TOKEN; or listen on 127.0.0.1"
        )
    sock = bind(settings.host, settings.port)
    async with open_hub(places) as hub:
        serving = Serving(hub=hub, loaded=loaded, places=places, settings=settings)
        async with anyio.create_task_group() as group:
            group.start_soon(serving.stop_on_signals)
            if stdio:
                group.start_soon(serving.serve_pipe)
            await serving.listen(sock, token=token, on_ready=on_ready)
            group.cancel_scope.cancel()
    return 0
