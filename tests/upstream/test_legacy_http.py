"""Sessions of legacy Streamable HTTP, and the old transport before it."""

import json
import math
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from aiohttp import web

from hub.catalog.provider import Change, Json
from hub.upstream import Links, ServerSettings, UpstreamServer, open_upstream
from tests.tooling.locks import CHECKOUT
from tests.tooling.ports import free_port
from tests.tooling.programs import open_program
from tests.upstream.callers import EVERYTHING, Person, modern, name_is
from tests.upstream.endpoints import answered, event, initialized, open_behind_the_hub, open_endpoint, open_stream, said
from tests.upstream.targets import accept, questions_of, text_of, tool


class Sessions:
    """A legacy server that keeps its sessions, loses them on demand, and breaks its streams off."""

    def __init__(self) -> None:
        self.declared: dict[str, Json] = {}
        self.ended: list[str] = []
        self.notes: list[Json] = []
        self.resumed_from: list[str] = []
        self.versions: set[str | None] = set()
        self.standing: web.StreamResponse | None = None
        self.stands = anyio.Event()
        self._opened = 0
        self._broken_off: Json = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        session = request.headers.get("Mcp-Session-Id")
        if request.method == "GET":
            return await self._stand(request)
        if request.method == "DELETE":
            self.ended.append(str(session))
            return web.Response(status=204)
        message: Json = json.loads(await request.read())
        method = message.get("method")
        if method == "initialize":
            self._opened += 1
            self.declared[f"s{self._opened}"] = message["params"]["capabilities"]
            answer = initialized(message, tools={"listChanged": True})
            return web.json_response(answer, headers={"Mcp-Session-Id": f"s{self._opened}"})
        if session not in self.declared or session in self.ended:
            return web.Response(status=404)
        self.versions.add(request.headers.get("MCP-Protocol-Version"))
        if "id" not in message:
            self.notes.append(message)
            return web.Response(status=202)
        if method == "tools/call":
            return await self._call(request, message, session)
        return web.json_response(answered(message, {}))

    async def _call(self, request: web.Request, message: Json, session: str) -> web.StreamResponse:
        if message["params"]["name"] == "break_off":
            self._broken_off = message
            response = await open_stream(request)
            await response.write(event(None, id="e1", retry_ms=10) + b'id: e2\ndata: {"half')
            assert request.transport is not None
            request.transport.close()
            return response
        if message["params"]["name"] == "lose":
            self.ended.append(session)
        return web.json_response(answered(message, said(session)))

    async def _stand(self, request: web.Request) -> web.StreamResponse:
        last = request.headers.get("Last-Event-ID")
        response = await open_stream(request)
        if last is not None and self._broken_off:
            self.resumed_from.append(last)
            await response.write(event(answered(self._broken_off, said("resumed")), id="e3"))
            return response
        if self.standing is None:
            self.standing = response
            self.stands.set()
        await anyio.sleep_forever()
        return response


@asynccontextmanager
async def open_sessions(links: Links) -> AsyncGenerator[tuple[Sessions, UpstreamServer]]:
    sessions = Sessions()
    async with open_behind_the_hub(sessions.handle, links, era="legacy") as server:
        assert server.state.era == "legacy", server.state
        yield sessions, server


async def test_the_hub_declares_what_the_caller_can_do_and_ends_its_sessions(links: Links) -> None:
    async with open_sessions(links) as (sessions, server):
        first = text_of(await server.call(tool("which"), Person(capabilities={"roots": {}})))
        assert sessions.declared[first] == {"roots": {}}
        assert text_of(await server.call(tool("which"), modern(capabilities={"roots": {}}))) == first
        other = text_of(await server.call(tool("which"), Person()))
        assert sessions.declared[other] == EVERYTHING
        assert sessions.versions == {"2025-11-25"}
    assert sorted(sessions.ended) == sorted(sessions.declared)


async def test_the_session_that_was_idle_longest_makes_room(links: Links) -> None:
    async with open_sessions(links) as (sessions, server):
        used = [
            text_of(await server.call(tool("which"), Person(capabilities={"experimental": {str(number): {}}})))
            for number in range(9)
        ]
        assert len(set(used)) == 9
        assert sessions.ended == [used[0]]


async def test_a_session_that_the_server_forgot_is_made_anew(links: Links) -> None:
    async with open_sessions(links) as (_sessions, server):
        lost = text_of(await server.call(tool("lose"), Person()))
        fresh = text_of(await server.call(tool("which"), Person()))
        assert fresh != lost
        assert text_of(await server.call(tool("which"), Person())) == fresh


async def test_an_answer_that_broke_off_is_taken_up_again(links: Links) -> None:
    async with open_sessions(links) as (sessions, server):
        assert text_of(await server.call(tool("break_off"), Person())) == "resumed"
        assert sessions.resumed_from == ["e1"]


async def test_what_belongs_to_no_call_comes_on_the_standing_stream(links: Links) -> None:
    async with open_sessions(links) as (sessions, server):
        await sessions.stands.wait()
        send, receive = anyio.create_memory_object_stream[Change](math.inf)
        with send, receive:
            unwatch = server.watch(send.send_nowait)
            assert sessions.standing is not None
            await sessions.standing.write(event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}))
            assert await receive.receive() == Change(what="tools")
            unwatch()


async def test_the_old_transport_is_found_behind_its_address(links: Links, tmp_path: Path) -> None:
    port = free_port()
    program = CHECKOUT / "tests" / "upstream" / "programs" / "sse_server.py"
    with open_program([sys.executable, str(program), str(port)], tmp_path / "log") as running, anyio.fail_after(30):
        running.wait_for_port(port)
        for transport in ("sse", None):
            settings = ServerSettings(url=f"http://127.0.0.1:{port}/sse", transport=transport)
            async with open_upstream("old", settings, links=links, log_path=None) as server:
                await server.settled()
                assert server.state.phase == "ready", server.state
                assert [each["name"] for each in await server.list("tools")] == ["add", "ask"]
                caller = Person(answer=name_is("Ada"))
                assert text_of(await server.call(tool("add", a=1, b=2), caller)) == "3"
                assert caller.reports == [{"progress": 1.0, "total": 1.0}]
                assert text_of(await server.call(tool("ask"), caller)) == "Ada"
                body = questions_of(await server.call(tool("ask"), modern()))
                [key] = body["inputRequests"]
                answers = {"inputResponses": {key: accept("Bob")}, "requestState": body["requestState"]}
                assert text_of(await server.call({**tool("ask"), **answers}, modern())) == "Bob"


async def test_an_endpoint_at_another_origin_is_not_followed(links: Links) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        response = await open_stream(request)
        await response.write(b"event: endpoint\ndata: http://other.invalid/messages\n\n")
        await anyio.sleep_forever()
        return response

    with anyio.fail_after(20):
        async with open_endpoint(elsewhere) as url:
            settings = ServerSettings(url=url, transport="sse")
            async with open_upstream("old", settings, links=links, log_path=None) as server:
                await server.settled()
                assert server.state.problem == "it names an endpoint at another origin"
