"""A model provider on loopback: OpenAI's protocol over real HTTP, with scripted answers, refusals and delays."""

import contextlib
import json
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web

Json = dict[str, Any]
Move = Callable[[Json], Awaitable[web.Response]]


def says(text: str) -> Move:
    """Answer with a text."""
    return _answering({"role": "assistant", "content": text}, "stop")


def calls(*wanted: tuple[str, Json]) -> Move:
    """Ask for calls of tools."""
    tool_calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(wanted)
    ]
    return _answering({"role": "assistant", "content": None, "tool_calls": tool_calls}, "tool_calls")


def refuses(status: int, *, retry_after: str | None = None) -> Move:
    """Answer with an error, in whose text there is a secret."""

    async def move(request: Json) -> web.Response:
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return web.json_response({"error": {"message": "sk-secret-in-text"}}, status=status, headers=headers)

    return move


def after(event: anyio.Event, then: Move) -> Move:
    """Answer once the event is set."""

    async def move(request: Json) -> web.Response:
        await event.wait()
        return await then(request)

    return move


def _answering(message: Json, reason: str) -> Move:
    async def move(request: Json) -> web.Response:
        return web.json_response(
            {
                "id": "answer",
                "object": "chat.completion",
                "created": 0,
                "model": request["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": reason}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
        )

    return move


@dataclass
class ModelServer:
    """Makes the moves of its script, one a request; then the same move for each."""

    url: str = ""
    script: deque[Move] = field(default_factory=deque[Move])
    requests: list[Json] = field(default_factory=list[Json])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    otherwise: Move = field(default_factory=lambda: says("out of script"))
    _arrivals: list[anyio.Event] = field(default_factory=list[anyio.Event])

    @property
    def model(self) -> str:
        """The model's name as agents take it."""
        return f"{self.url}#scripted"

    def plays(self, *moves: Move) -> None:
        self.script.extend(moves)

    def messages(self, number: int) -> Sequence[tuple[str, Any]]:
        """Role and content of each message of a request."""
        return [(each["role"], each.get("content")) for each in self.requests[number]["messages"]]

    async def wait_for_requests(self, count: int) -> None:
        while len(self.requests) < count:
            arrived = anyio.Event()
            self._arrivals.append(arrived)
            await arrived.wait()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        self.requests.append(body)
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        while self._arrivals:
            self._arrivals.pop().set()
        move = self.script.popleft() if self.script else self.otherwise
        return await move(body)


@contextlib.asynccontextmanager
async def open_model_server() -> AsyncGenerator[ModelServer]:
    """A server on a free loopback port."""
    server = ModelServer()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}/v1"
        yield server
    finally:
        await runner.cleanup()
