"""An HTTP service whose work is calls of the tests' model, and which knows a request again by its key."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from hub.catalog.provider import Json
from tests.host.model_server import ModelServer

_TOPIC: Final[Json] = {"name": "topic", "in": "query", "required": True, "schema": {"type": "string"}}
_STEPS: Final[Json] = {
    "type": "object",
    "required": ["steps"],
    "properties": {"steps": {"type": "array", "items": {"type": "string"}}},
}
DOCUMENT: Final[Json] = {
    "openapi": "3.1.0",
    "info": {"title": "Work", "version": "1"},
    "servers": [{"url": "/"}],
    "paths": {
        f"/{name}": {
            "post": {
                "operationId": name,
                "parameters": [_TOPIC],
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": _STEPS}}}},
            }
        }
        for name in ("work", "fail")
    },
}


class _Service:
    def __init__(self, model: ModelServer) -> None:
        self._model = model
        self._known: dict[str, asyncio.Future[list[str]]] = {}

    async def work(self, request: web.Request) -> web.StreamResponse:
        """Three model calls; a second request under a key waits for the first and has its answer."""
        key = request.headers.get("Idempotency-Key")
        topic = request.query["topic"]
        if key is None:
            return web.json_response({"steps": await self._steps(topic)})
        if key not in self._known:
            self._known[key] = asyncio.get_running_loop().create_future()
            self._known[key].set_result(await self._finished(key, topic))
        return web.json_response({"steps": await asyncio.shield(self._known[key])})

    async def _finished(self, key: str, topic: str) -> list[str]:
        try:
            return await self._steps(topic)
        except BaseException:
            self._known.pop(key).cancel()
            raise

    async def _steps(self, topic: str) -> list[str]:
        return [await asyncio.to_thread(self._step, place, topic) for place in range(3)]

    def _step(self, place: int, topic: str) -> str:
        prompt = f"TASK=o{place}; TOPIC={topic};"
        return str(self._model.answer({"prompt": prompt, "tools": [], "used_tool": False})["text"])

    async def fail(self, request: web.Request) -> web.StreamResponse:
        """Fails with a key in the text."""
        return web.json_response({"message": "401 for key sk-MARKER-provider"}, status=500)

    async def document(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(DOCUMENT)


@asynccontextmanager
async def open_working_service(model: ModelServer) -> AsyncGenerator[str]:
    """The address of the running service."""
    service = _Service(model)
    app = web.Application()
    app.router.add_get("/openapi.json", service.document)
    app.router.add_post("/work", service.work)
    app.router.add_post("/fail", service.fail)
    runner: web.AppRunner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address: tuple[Any, ...] = runner.addresses[0]
        yield f"http://127.0.0.1:{address[1]}"
    finally:
        await runner.cleanup()
