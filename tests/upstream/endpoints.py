"""Hand-made HTTP servers in the test's own process, to see what is sent and to answer as no SDK would."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from aiohttp import web

from hub.catalog.provider import Json
from hub.upstream import Links, ServerSettings, UpstreamServer, open_upstream

INFO: Json = {"name": "hand-made", "version": "1"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def open_endpoint(handler: Handler) -> AsyncGenerator[str]:
    """Serve every path with one handler; the address of `/mcp`."""
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address: tuple[str, int] = runner.addresses[0]
        yield f"http://127.0.0.1:{address[1]}/mcp"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def open_behind_the_hub(handler: Handler, links: Links, **settings: Any) -> AsyncGenerator[UpstreamServer]:
    """The hub's side of a server of one handler, once it is ready; all of it within 20 seconds."""
    with anyio.fail_after(20):
        async with (
            open_endpoint(handler) as url,
            open_upstream("web", ServerSettings(url=url, **settings), links=links, log_path=None) as server,
        ):
            await server.settled()
            assert server.state.phase == "ready", server.state
            yield server


async def open_stream(request: web.Request) -> web.StreamResponse:
    """Begin to answer with an event stream."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


def event(
    message: Json | None, *, id: str | None = None, retry_ms: int | None = None, name: str | None = None
) -> bytes:
    lines = [f"event: {name}"] if name else []
    lines += [f"id: {id}"] if id is not None else []
    lines += [f"retry: {retry_ms}"] if retry_ms is not None else []
    lines += [f"data: {json.dumps(message) if message is not None else ''}"]
    return ("\n".join(lines) + "\n\n").encode()


def discovered(message: Json, **capabilities: Json) -> Json:
    """The answer to `server/discover`."""
    result: Json = {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": capabilities or {"tools": {}},
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": INFO},
    }
    return answered(message, result)


def initialized(message: Json, **capabilities: Json) -> Json:
    """The answer to `initialize`."""
    result: Json = {
        "protocolVersion": message["params"]["protocolVersion"],
        "capabilities": capabilities or {"tools": {}},
        "serverInfo": INFO,
    }
    return answered(message, result)


def answered(message: Json, result: Json) -> Json:
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def refused(message: Json, code: int, text: str) -> Json:
    return {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": code, "message": text}}


def said(text: str) -> Json:
    return {"content": [{"type": "text", "text": text}], "isError": False}
