"""A small pet store over HTTP, with an OpenAPI 3.1 document of itself: `python -m examples.petstore.service PORT`."""

import argparse
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
from aiohttp import web

DOCUMENT = Path(__file__).with_name("openapi.json")
KEY = "X-Store-Key"


class Store:
    """Pets by number; an order key is used once."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.pets: dict[int, dict[str, Any]] = {}
        self.orders: dict[str, int] = {}

    async def find(self, request: web.Request) -> web.StreamResponse:
        """GET /pets"""
        tags = request.query.getall("tag", [])
        found = [pet for pet in self.pets.values() if not tags or pet.get("tag") in tags]
        return web.json_response(found[: int(request.query.get("limit", "20"))])

    async def add(self, request: web.Request) -> web.StreamResponse:
        """POST /pets"""
        if request.headers.get(KEY) != self.key:
            return web.json_response({"message": "a key is needed"}, status=401)
        once = request.headers.get("Idempotency-Key")
        if once is not None and once in self.orders:
            return web.json_response(self.pets[self.orders[once]], status=201)
        body = cast("dict[str, Any]", await request.json())
        if any(pet["name"] == body["name"] for pet in self.pets.values()):
            return web.json_response({"message": f"there is a {body['name']} already"}, status=409)
        number = len(self.pets) + 1
        self.pets[number] = {**body, "id": number}
        if once is not None:
            self.orders[once] = number
        return web.json_response(self.pets[number], status=201)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET /pets/{petId}"""
        pet = self.pets.get(int(request.match_info["pet_id"]))
        return web.json_response({"message": "no such pet"}, status=404) if pet is None else web.json_response(pet)

    async def document(self, request: web.Request) -> web.StreamResponse:
        """GET /openapi.json"""
        return web.json_response(json.loads(DOCUMENT.read_text(encoding="utf-8")))


@asynccontextmanager
async def open_service(key: str, port: int = 0) -> AsyncGenerator[tuple[str, Store]]:
    """The address of a running store, and the store."""
    store = Store(key)
    app = web.Application()
    app.router.add_get("/openapi.json", store.document)
    app.router.add_get("/pets", store.find)
    app.router.add_post("/pets", store.add)
    app.router.add_get(r"/pets/{pet_id:\d+}", store.get)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        address: tuple[str, int] = runner.addresses[0]
        yield f"http://127.0.0.1:{address[1]}", store
    finally:
        await runner.cleanup()


async def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--key", default="petstore-key")
    options = parser.parse_args()
    async with open_service(options.key, options.port) as (url, _):
        print(f"pet store at {url}", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
