"""The SDK's road: sessions, both eras, streams. Loaded in a thread, at the first need or shortly after the start."""

import importlib

import anyio
import anyio.to_thread

from hub.catalog.catalog import Catalog
from hub.gateway.http import AsgiApp
from hub.gateway.settings import GatewaySettings

_PRELOAD_AFTER_S = 3.0
_RETRY_MS = 1_000


class LongRoad:
    """Loads and runs the SDK's server for as long as `run` lives."""

    def __init__(self, *, catalog: Catalog, settings: GatewaySettings, name: str, version: str, identity: str) -> None:
        self._catalog = catalog
        self._settings = settings
        self._name = name
        self._version = version
        self._identity = identity
        self._needed = anyio.Event()
        self._ready = anyio.Event()
        self._app: AsgiApp | None = None

    async def app(self) -> AsgiApp:
        """The SDK's ASGI application."""
        self._needed.set()
        await self._ready.wait()
        if self._app is None:
            raise RuntimeError("the long road was closed")
        return self._app

    async def run(self) -> None:
        """Serve until cancelled."""
        with anyio.move_on_after(_PRELOAD_AFTER_S):
            await self._needed.wait()
        await anyio.to_thread.run_sync(load_sdk)
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        from hub.gateway.event_log import EventLog
        from hub.gateway.server import HubServer

        server = HubServer(self._catalog, name=self._name, version=self._version, identity=self._identity)
        manager = StreamableHTTPSessionManager(
            server,
            event_store=EventLog(),
            retry_interval=_RETRY_MS,
            security_settings=None,  # the doorkeeper has looked at Host and Origin already, for both lanes
            session_idle_timeout=self._settings.session_idle_s,
            max_request_body_size=self._settings.max_body_bytes,
            max_sessions=self._settings.max_sessions,
        )
        async with server.open(), manager.run():
            self._app = manager.handle_request
            self._ready.set()
            try:
                await anyio.sleep_forever()
            finally:
                self._app = None


def load_sdk() -> None:
    """Import what the long road needs: about a second on a small machine."""
    for module in ("mcp.server.streamable_http_manager", "hub.gateway.server", "hub.gateway.event_log"):
        importlib.import_module(module)
