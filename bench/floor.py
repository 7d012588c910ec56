"""The floor: the least that a Python relay must do for a call. Parse, take the prefix off, forward, answer.

It is the bar that the hub is measured against in the same run, not a product: it speaks the modern era only, checks
nothing and keeps nothing.
"""

import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvicorn

_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

PREFIX = "up__"
_VERSION = "2026-07-28"
_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": _VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "floor", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Floor:
    """An ASGI application."""

    def __init__(self, upstream_url: str) -> None:
        self._upstream_url = upstream_url
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def _lifespan(self) -> AsyncGenerator[None]:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            yield

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with self._lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        status, answer = await self._relay(json.loads(body))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _relay(self, message: _Message) -> tuple[int, bytes]:
        method, params = message["method"], message["params"]
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": _VERSION,
            "Mcp-Method": method,
        }
        if method == "tools/call":
            headers["Mcp-Name"] = params["name"] = params["name"].removeprefix(PREFIX)
        params["_meta"] = {**params.get("_meta", {}), **_ENVELOPE}
        assert self._session is not None  # uvicorn calls after the lifespan has begun
        async with self._session.post(self._upstream_url, data=json.dumps(message), headers=headers) as response:
            answer = json.loads(await response.read())
            return response.status, json.dumps(answer).encode()


if __name__ == "__main__":
    uvicorn.run(
        Floor(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
