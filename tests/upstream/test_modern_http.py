"""The modern HTTP leg and the short lane, byte by byte."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import web

from hub.catalog.provider import Json, RawReply
from hub.errors import CallTimeoutError, RemoteError, TooLargeError, UpstreamDownError
from hub.upstream import Links, ServerSettings, UpstreamServer, open_upstream
from tests.upstream.callers import modern
from tests.upstream.endpoints import answered, discovered, event, open_endpoint, open_stream, refused, said
from tests.upstream.targets import text_of, tool

TOOLS: list[Json] = [
    {
        "name": "add",
        "inputSchema": {
            "type": "object",
            "properties": {
                "where": {"type": "string", "x-mcp-header": "Region"},
                "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}},
            },
        },
    },
    {"name": "broken", "inputSchema": {"type": "object", "properties": {"n": {"type": "number", "x-mcp-header": "N"}}}},
]


class Recorder:
    """A modern server that keeps what it was sent."""

    def __init__(self) -> None:
        self.heads: list[dict[str, str]] = []
        self.bodies: list[Json] = []
        self.hanging = anyio.Event()
        self.dropped = anyio.Event()
        self.strict = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        message: Json = json.loads(await request.read())
        method = message["method"]
        if method == "server/discover":
            return web.json_response(discovered(message))
        if method == "subscriptions/listen":
            return web.json_response(refused(message, -32601, "Method not found"), status=404)
        if method == "tools/list":
            return web.json_response(answered(message, {"tools": TOOLS, "ttlMs": 60_000, "cacheScope": "public"}))
        self.heads.append({key.lower(): value for key, value in request.headers.items()})
        self.bodies.append(message)
        return await self._call(request, message)

    async def _call(self, request: web.Request, message: Json) -> web.StreamResponse:
        match message["params"]["name"]:
            case "hang":
                self.hanging.set()
                try:
                    await anyio.sleep_forever()
                finally:
                    self.dropped.set()
                raise AssertionError
            case "stream":
                response = await open_stream(request)
                token = message["params"]["_meta"].get("progressToken")
                note = {"jsonrpc": "2.0", "method": "notifications/progress"}
                await response.write(event({**note, "params": {"progressToken": token, "progress": 1}}))
                await response.write(b": ping\r\n\r\n" + event(answered(message, said("streamed"))))
                return response
            case "cut":
                response = await open_stream(request)
                await response.write(b'data: {"jsonrpc"')
                assert request.transport is not None
                request.transport.close()
                return response
            case "add" if self.strict and "Mcp-Param-Region" not in request.headers:
                return web.json_response(refused(message, -32020, "Header mismatch"), status=400)
            case "html":
                return web.Response(text="<h1>It works</h1>", content_type="text/html")
            case "status":
                return web.Response(status=message["params"]["arguments"]["status"])
            case "large":
                return web.json_response(answered(message, said("x" * message["params"]["arguments"]["bytes"])))
            case "refuse":
                return web.json_response(refused(message, -32021, "Missing capability"), status=400)
            case _:
                return web.json_response(answered(message, said("done")))


@asynccontextmanager
async def open_recorder(links: Links, **settings: float) -> AsyncGenerator[tuple[Recorder, UpstreamServer]]:
    recorder = Recorder()
    with anyio.fail_after(20):
        async with (
            open_endpoint(recorder.handle) as url,
            open_upstream(
                "web", ServerSettings.model_validate({"url": url, **settings}), links=links, log_path=None
            ) as server,
        ):
            await server.settled()
            assert server.state.era == "modern", server.state
            yield recorder, server


async def test_a_request_says_who_asks_and_mirrors_itself_in_headers(links: Links) -> None:
    async with open_recorder(links) as (recorder, server):
        await server.list("tools")
        caller = modern(wants_progress=False, log_level="warning", capabilities={"roots": {}})
        params = {**tool("add", where="Zürich", deep={"flag": True}), "_meta": {"hub/idempotencyKey": "k"}}
        assert text_of(await server.call(params, caller)) == "done"
    [head] = recorder.heads
    assert {key: head[key] for key in head if key.startswith("mcp-")} == {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "add",
        "mcp-param-region": "=?base64?WsO8cmljaA==?=",
        "mcp-param-flag": "true",
    }
    assert recorder.bodies[0]["params"] == {
        **params,
        "_meta": {
            "hub/idempotencyKey": "k",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test-client", "version": "7"},
            "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
            "io.modelcontextprotocol/logLevel": "warning",
        },
    }


async def test_headers_that_a_tool_asks_for_are_looked_up_when_the_server_misses_them(links: Links) -> None:
    async with open_recorder(links) as (recorder, server):
        recorder.strict = True
        assert not server.can_relay({})
        assert text_of(await server.call(tool("add", where="here"), modern())) == "done"
        assert server.can_relay({})
        with pytest.raises(RemoteError, match="Header mismatch"):
            await server.call(tool("add"), modern())
        assert len(recorder.bodies) == 3


async def test_a_tool_with_a_wrong_header_annotation_is_left_out(links: Links) -> None:
    async with open_recorder(links) as (_recorder, server):
        assert [each["name"] for each in await server.list("tools")] == ["add"]


async def test_a_streamed_answer_brings_progress_first(links: Links) -> None:
    async with open_recorder(links) as (_recorder, server):
        caller = modern()
        assert text_of(await server.call(tool("stream"), caller)) == "streamed"
        assert caller.reports == [{"progress": 1}]


async def test_giving_up_closes_the_request(links: Links) -> None:
    async with open_recorder(links) as (recorder, server):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.call, tool("hang"), modern())
            await recorder.hanging.wait()
            tasks.cancel_scope.cancel()
        await recorder.dropped.wait()


@pytest.mark.parametrize(
    ("request_params", "message"),
    [
        (tool("cut"), "server web: the connection broke before the answer was complete"),
        (tool("html"), "server web: it answered with something that is not MCP; check `url`"),
        (tool("status", status=502), "server web: it answered with HTTP 502"),
        (
            tool("status", status=401),
            "server web: it refuses the hub's credentials (HTTP 401); check `headers`",
        ),
    ],
)
async def test_an_answer_that_is_none_is_told_in_plain_words(links: Links, request_params: Json, message: str) -> None:
    async with open_recorder(links) as (_recorder, server):
        for attempt in (server.call(request_params, modern()), relayed(server, request_params)):
            with pytest.raises(UpstreamDownError) as caught:
                await attempt
            assert str(caught.value) == message


async def test_an_answer_over_the_limit_is_refused(links: Links) -> None:
    async with open_recorder(links, max_message_bytes=100_000) as (_recorder, server):
        with pytest.raises(TooLargeError, match=r"^server web: it sent a message of more than 100000 bytes"):
            await server.call(tool("large", bytes=200_000), modern())
        with pytest.raises(TooLargeError):
            await relayed(server, tool("large", bytes=200_000))
        assert len(text_of(await server.call(tool("large", bytes=50_000), modern()))) == 50_000


async def test_a_call_without_a_sign_of_life_times_out_on_both_lanes(links: Links) -> None:
    async with open_recorder(links, timeout_s=0.2) as (recorder, server):
        for attempt in (server.call(tool("hang"), modern()), relayed(server, tool("hang"))):
            with pytest.raises(CallTimeoutError, match=r"^server web: no answer and no progress within 0\.2 s$"):
                await attempt
        await recorder.dropped.wait()


async def test_an_error_of_the_server_is_passed_on_on_both_lanes(links: Links) -> None:
    async with open_recorder(links) as (_recorder, server):
        with pytest.raises(RemoteError) as caught:
            await server.call(tool("refuse"), modern())
        assert caught.value.rpc_code == -32021
        status, content_type, body = await relayed(server, tool("refuse"))
        assert (status, content_type) == (400, b"application/json; charset=utf-8")
        assert json.loads(body) == refused({"id": "client-1"}, -32021, "Missing capability")


async def relayed(server: UpstreamServer, params: Json) -> tuple[int, bytes, bytes]:
    """Take the short lane; status, content type and the whole body."""
    await server.list("tools")
    request: Json = {"jsonrpc": "2.0", "id": "client-1", "method": "tools/call", "params": {"_meta": {}, **params}}
    assert server.can_relay(request)
    reply: RawReply = await server.relay(request, modern())
    body = reply.body if isinstance(reply.body, bytes) else b"".join([part async for part in reply.body])
    return reply.status, reply.content_type, body


async def test_the_short_lane_sends_the_request_on_and_its_answer_back_as_they_are(links: Links) -> None:
    async with open_recorder(links) as (recorder, server):
        status, content_type, body = await relayed(server, tool("add", where="here"))
        assert (status, content_type) == (200, b"application/json; charset=utf-8")
        assert json.loads(body) == answered({"id": "client-1"}, said("done"))
        assert recorder.bodies[0]["id"] == "client-1"
        assert recorder.heads[0]["mcp-param-region"] == "here"
        status, content_type, body = await relayed(server, tool("stream"))
        assert (status, content_type) == (200, b"text/event-stream")
        assert body.endswith(event(answered({"id": "client-1"}, said("streamed"))))


async def test_the_short_lane_is_closed_while_every_place_is_taken(links: Links) -> None:
    async with open_recorder(links, concurrency=1) as (recorder, server):
        await server.list("tools")
        assert server.can_relay({})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.call, tool("hang"), modern())
            await recorder.hanging.wait()
            assert not server.can_relay({})
            tasks.cancel_scope.cancel()
        assert server.can_relay({})


async def test_a_list_is_kept_as_long_as_the_server_says(links: Links) -> None:
    async with open_recorder(links) as (_recorder, server):
        assert await server.list("tools") is await server.list("tools")


async def test_a_redirect_within_the_origin_is_followed_and_another_one_is_not(links: Links) -> None:
    recorder = Recorder()

    async def moved(request: web.Request) -> web.StreamResponse:
        if request.path == "/mcp":
            return web.Response(status=307, headers={"Location": "/mcp/"})
        if request.path == "/away":
            return web.Response(status=307, headers={"Location": "http://other.invalid/mcp"})
        return await recorder.handle(request)

    with anyio.fail_after(20):
        async with open_endpoint(moved) as url:
            async with open_upstream("web", ServerSettings(url=url), links=links, log_path=None) as server:
                await server.settled()
                assert text_of(await server.call(tool("add"), modern())) == "done"
            away = ServerSettings(url=url.replace("/mcp", "/away"))
            async with open_upstream("web", away, links=links, log_path=None) as server:
                await server.settled()
                assert server.state.problem == "it redirects to another origin; check `url`"
