"""The gateway in the test's own process, on a real socket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import anyio

from hub.catalog.catalog import Catalog, open_catalog
from hub.catalog.policy import ArgumentCheck
from hub.catalog.provider import Json
from hub.catalog.section import Section
from hub.gateway.doorkeeper import Doorkeeper
from hub.gateway.http import HttpGateway
from hub.gateway.lane import ShortLane
from hub.gateway.listener import bind, listen
from hub.gateway.long_road import LongRoad
from hub.gateway.settings import GatewaySettings
from tests.tooling.memory_provider import MemoryProvider

META: Json = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A gateway that listens."""

    url: str
    catalog: Catalog

    async def post(self, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """POST one message as a modern client would; status and JSON."""
        standard = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, json=body, headers={**standard, **(headers or {})}) as response,
        ):
            return response.status, await response.json()

    async def call(
        self, name: str, arguments: Json | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """A modern `tools/call`."""
        params: Json = {"name": name, "arguments": arguments or {}, "_meta": META}
        body: Json = {"jsonrpc": "2.0", "id": "c1", "method": "tools/call", "params": params}
        return await self.post(body, {"Mcp-Method": "tools/call", "Mcp-Name": name, **(headers or {})})


@asynccontextmanager
async def open_endpoint(
    *providers: MemoryProvider, settings: GatewaySettings | None = None, token: str | None = None
) -> AsyncGenerator[Endpoint, None]:
    """Serve these providers on a free loopback port."""
    settings = settings or GatewaySettings.model_validate({"port": 0})
    async with open_catalog([ArgumentCheck()]) as catalog:
        for provider in providers:
            catalog.add(Section(provider=provider, prefix=provider.name))
        await catalog.settled(5)
        road = LongRoad(catalog=catalog, settings=settings, name="hub", version="1", identity="local")
        info: Json = {"name": "hub", "version": "1"}
        gateway = HttpGateway(
            catalog=catalog,
            settings=settings,
            doorkeeper=Doorkeeper(settings, host="127.0.0.1", token=token),
            lane=ShortLane(catalog, identity="local", server_info=info) if settings.short_lane else None,
            long_road=road.app,
        )
        sock = bind("127.0.0.1", 0)
        stop, listening, ended = anyio.Event(), anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(road.run)

            async def serve() -> None:
                await listen(gateway, sock, stop=stop, on_listening=listening.set)
                ended.set()

            group.start_soon(serve)
            await listening.wait()
            try:
                yield Endpoint(url=f"http://127.0.0.1:{sock.getsockname()[1]}/mcp", catalog=catalog)
            finally:
                stop.set()
                with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                    await ended.wait()
                group.cancel_scope.cancel()
