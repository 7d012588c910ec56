"""What the hub sends to a server of the old HTTP+SSE transport, and when."""

import json
from contextlib import AbstractAsyncContextManager

import anyio
from aiohttp import web

from hub.catalog.provider import Json
from hub.upstream import Links, UpstreamServer
from tests.upstream.callers import Person, name_is
from tests.upstream.endpoints import answered, event, initialized, open_behind_the_hub, open_stream, said
from tests.upstream.targets import text_of, tool


class OldServer:
    """Asks for a name in each call of `ask`; takes some messages late."""

    def __init__(self, *, dwells: bool = False) -> None:
        self.order: list[str] = []
        self._dwells = dwells
        self.arrived = anyio.Event()
        self._answers: dict[str, anyio.Event] = {}
        self._named: dict[str, str] = {}
        self._stream: web.StreamResponse | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            self._stream = await open_stream(request)
            await self._stream.write(b"event: endpoint\ndata: /messages\n\n")
            await anyio.sleep_forever()
        message: Json = json.loads(await request.read())
        method = message.get("method")
        if method == "initialize":
            await self._say(initialized(message))
        elif method == "tools/call" and self._dwells:
            await self._ask(message)
        elif method == "tools/call":
            return await self._take(message)
        elif method is None:
            self._named[message["id"]] = message["result"]["content"]["name"]
            self._answers[message["id"]].set()
        elif "id" in message:
            await self._say(answered(message, {}))
        return web.Response(status=202)

    async def _take(self, message: Json) -> web.StreamResponse:
        """Take the first call late; whoever overtakes it asks first."""
        if not self.arrived.is_set():
            self.arrived.set()
            await anyio.sleep(0.3)
        self.order.append(message["params"]["arguments"]["of"])
        await self._say(answered(message, said("taken")))
        return web.Response(status=202)

    async def _ask(self, message: Json) -> None:
        question = f"q-{message['id']}"
        self._answers[question] = anyio.Event()
        await self._say(
            {"jsonrpc": "2.0", "id": question, "method": "elicitation/create", "params": {"message": "Who?"}}
        )
        await self._answers[question].wait()
        await self._say(answered(message, said(self._named[question])))

    async def _say(self, message: Json) -> None:
        assert self._stream is not None
        await self._stream.write(event(message, name="message"))


def open_old(server: OldServer, links: Links) -> AbstractAsyncContextManager[UpstreamServer]:
    return open_behind_the_hub(server.handle, links, transport="sse")


async def test_calls_reach_the_server_in_the_order_of_their_sending(links: Links) -> None:
    server = OldServer()
    async with open_old(server, links) as upstream, anyio.create_task_group() as tasks:
        for name in ("Ada", "Bob", "Eve"):
            tasks.start_soon(upstream.call, tool("ask", of=name), Person())
    assert server.order == ["Ada", "Bob", "Eve"]


async def test_a_call_that_is_given_up_in_the_queue_lets_nobody_overtake(links: Links) -> None:
    server = OldServer()
    async with open_old(server, links) as upstream, anyio.create_task_group() as tasks:
        tasks.start_soon(upstream.call, tool("ask", of="Ada"), Person())
        await server.arrived.wait()
        with anyio.move_on_after(0.05):
            await upstream.call(tool("ask", of="Bob"), Person())
        await upstream.call(tool("ask", of="Eve"), Person())
    assert server.order == ["Ada", "Eve"]


async def test_an_answer_reaches_a_server_that_takes_a_call_only_when_it_is_done(links: Links) -> None:
    async with open_old(OldServer(dwells=True), links) as upstream:
        assert text_of(await upstream.call(tool("ask"), Person(answer=name_is("Ada")))) == "Ada"
        assert text_of(await upstream.call(tool("ask"), Person(answer=name_is("Bob")))) == "Bob"
