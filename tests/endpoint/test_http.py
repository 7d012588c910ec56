"""Who may come in, and which lane answers."""

import asyncio
import json
from collections.abc import AsyncGenerator

import aiohttp
import anyio
import pytest

from hub.catalog.provider import Answer, Caller, Change, Json, Outcome, RawReply
from hub.errors import UpstreamDownError
from hub.gateway.settings import GatewaySettings
from tests.endpoint.endpoint import META, open_endpoint
from tests.tooling.memory_provider import MemoryProvider, RawMemoryProvider, text

INFO_KEY = "io.modelcontextprotocol/serverInfo"


def tools() -> RawMemoryProvider:
    provider = RawMemoryProvider(name="s")
    provider.add_tool("echo", schema={"type": "object", "properties": {"n": {"type": "integer"}}})
    return provider


async def test_a_plain_modern_call_is_relayed_raw() -> None:
    provider = tools()
    async with open_endpoint(provider) as endpoint:
        status, body = await endpoint.call("s__echo", {"n": 1})
    assert (status, body["result"]["content"]) == (200, [{"type": "text", "text": "raw"}])
    (seen,) = provider.seen
    assert seen == (
        "relay",
        {
            "jsonrpc": "2.0",
            "id": "c1",
            "method": "tools/call",
            "params": {"name": "echo", "arguments": {"n": 1}, "_meta": META},
        },
    )


async def test_without_the_short_lane_the_same_call_takes_the_long_road() -> None:
    provider = tools()
    settings = GatewaySettings.model_validate({"port": 0, "short_lane": False})
    async with open_endpoint(provider, settings=settings) as endpoint:
        status, body = await endpoint.call("s__echo", {"n": 1})
    assert (status, body["result"]["content"]) == (200, [{"type": "text", "text": "s: echo"}])
    assert provider.seen == [("tools/call", {"name": "echo", "arguments": {"n": 1}})]


@pytest.mark.parametrize("short_lane", [True, False], ids=["short lane", "long road"])
async def test_both_lanes_refuse_wrong_arguments_with_the_same_words(short_lane: bool) -> None:
    provider = tools()
    settings = GatewaySettings.model_validate({"port": 0, "short_lane": short_lane})
    async with open_endpoint(provider, settings=settings) as endpoint:
        status, body = await endpoint.call("s__echo", {"n": "one"})
    assert status == 200
    assert body["result"] == {
        "resultType": "complete",
        "isError": True,
        "content": [
            {
                "type": "text",
                "text": "invalid_input: s__echo does not take these arguments: "
                'arguments.n: "one" is not of type "integer"',
            }
        ],
        "_meta": {
            "hub/code": "invalid_input",
            "hub/retryable": False,
            INFO_KEY: body["result"]["_meta"][INFO_KEY],
        },
    }
    assert provider.seen == []


@pytest.mark.parametrize("short_lane", [True, False], ids=["short lane", "long road"])
async def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_name(short_lane: bool) -> None:
    settings = GatewaySettings.model_validate({"port": 0, "short_lane": short_lane})
    async with open_endpoint(tools(), settings=settings) as endpoint:
        status, body = await endpoint.call("s__ecco")
    assert status == 400
    assert body["error"] == {
        "code": -32602,
        "message": "unknown_name: there is no tool named 's__ecco'; the nearest names are s__echo",
        "data": {"hub/code": "unknown_name", "hub/retryable": False},
    }


async def test_a_server_that_is_down_is_told_as_a_result_that_can_be_retried() -> None:
    async def down(params: Json, caller: Caller) -> Outcome:
        raise UpstreamDownError("server s is down since 14:02:11 UTC: refused; next try in 3 s")

    provider = MemoryProvider(name="s")
    provider.add_tool("echo", down)
    async with open_endpoint(provider) as endpoint:
        _, body = await endpoint.call("s__echo")
    assert body["result"]["content"][0]["text"].startswith("unavailable: server s is down since")
    assert body["result"]["_meta"]["hub/retryable"] is True


async def test_fields_that_no_model_knows_come_through() -> None:
    async def odd(params: Json, caller: Caller) -> Outcome:
        block: Json = {"type": "text", "text": "x", "vendor": {"deep": [1]}}
        return Answer(body={"content": [block], "vendorField": 1, "structuredContent": [1, 2]})

    provider = MemoryProvider(name="s")
    provider.add_tool("odd", odd)
    async with open_endpoint(provider) as endpoint:
        _, body = await endpoint.call("s__odd")
    assert body["result"]["vendorField"] == 1
    assert body["result"]["structuredContent"] == [1, 2]
    assert body["result"]["content"] == [{"type": "text", "text": "x", "vendor": {"deep": [1]}}]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example.com"}, 421),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "localhost"}, 200),
    ],
    ids=["foreign host", "foreign origin", "own origin", "own host"],
)
async def test_host_and_origin_are_checked_on_loopback(headers: dict[str, str], status: int) -> None:
    async with open_endpoint(tools()) as endpoint:
        answered, _ = await endpoint.call("s__echo", headers=headers)
    assert answered == status


async def test_a_token_is_wanted_where_one_is_set() -> None:
    async with open_endpoint(tools(), token="sesame") as endpoint:
        without, refusal = await endpoint.call("s__echo")
        wrong, _ = await endpoint.call("s__echo", headers={"Authorization": "Bearer open"})
        right, _ = await endpoint.call("s__echo", headers={"Authorization": "Bearer sesame"})
    assert (without, wrong, right) == (401, 401, 200)
    assert "sesame" not in str(refusal)


async def test_a_slow_answer_becomes_a_stream_with_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.gateway.patience.SOON_S", 0.05)
    go_on = anyio.Event()

    async def slow(params: Json, caller: Caller) -> Outcome:
        await go_on.wait()
        return text("at last")

    provider = MemoryProvider(name="s")
    provider.add_tool("slow", slow)
    with anyio.fail_after(20):
        async with open_endpoint(provider) as endpoint, aiohttp.ClientSession() as session:
            params: Json = {"name": "s__slow", "arguments": {}, "_meta": META}
            headers = {
                "Accept": "application/json, text/event-stream",
                "MCP-Protocol-Version": "2026-07-28",
                "Mcp-Method": "tools/call",
                "Mcp-Name": "s__slow",
            }
            message: Json = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
            async with session.post(endpoint.url, json=message, headers=headers) as response:
                assert response.content_type == "text/event-stream"
                assert await response.content.readline() == b": ping\r\n"
                go_on.set()
                *_, last = [line async for line in response.content if line.startswith(b"data: ")]
    answer = json.loads(last.removeprefix(b"data: "))
    assert (answer["id"], answer["result"]["content"]) == (7, [{"type": "text", "text": "at last"}])


async def test_a_relayed_stream_that_breaks_off_ends_with_an_answer() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"event: message\r\ndata: {}\r\n\r\n"
        raise UpstreamDownError("server s: it broke off")

    class Breaking(RawMemoryProvider):
        async def relay(self, request: Json, caller: Caller) -> RawReply:
            return RawReply(status=200, content_type=b"text/event-stream", body=broken())

    provider = Breaking(name="s")
    provider.add_tool("echo")
    async with open_endpoint(provider) as endpoint, aiohttp.ClientSession() as session:
        params: Json = {"name": "s__echo", "arguments": {}, "_meta": META}
        message: Json = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": "s__echo",
        }
        async with session.post(endpoint.url, json=message, headers=headers) as response:
            lines = [line async for line in response.content if line.startswith(b"data: ")]
    answer = json.loads(lines[-1].removeprefix(b"data: "))
    assert answer["result"]["content"][0]["text"] == "unavailable: server s: it broke off"


async def test_a_body_over_the_limit_is_refused() -> None:
    settings = GatewaySettings.model_validate({"port": 0, "max_body_bytes": 2048})
    async with open_endpoint(tools(), settings=settings) as endpoint:
        status, body = await endpoint.call("s__echo", {"text": "x" * 4096})
    assert status == 413
    assert body["error"]["message"] == "the request is over 2048 bytes (gateway.max_body_bytes)"


async def test_a_client_that_goes_away_cancels_its_call() -> None:
    started, cancelled = anyio.Event(), anyio.Event()

    class Slow(RawMemoryProvider):
        async def relay(self, request: Json, caller: Caller) -> RawReply:
            started.set()
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            raise AssertionError("it slept for ever")

    provider = Slow(name="s")
    provider.add_tool("echo")
    with anyio.fail_after(20):
        async with open_endpoint(provider) as endpoint, anyio.create_task_group() as group:

            async def call() -> None:
                await endpoint.call("s__echo")

            group.start_soon(call)
            await started.wait()
            group.cancel_scope.cancel()
        await cancelled.wait()


async def test_health_and_readiness_tell_each_server() -> None:
    async with open_endpoint(tools()) as endpoint, aiohttp.ClientSession() as session:
        base = endpoint.url.removesuffix("/mcp")
        async with session.get(f"{base}/healthz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        async with session.get(f"{base}/readyz") as response:
            body = await response.json()
            assert response.status == 200
        async with session.get(f"{base}/nothing") as response:
            assert response.status == 404
    since = body["servers"][0].pop("since")
    assert since.endswith("+00:00")
    assert body == {"status": "ready", "servers": [{"name": "s", "phase": "ready", "tools": 1}], "withheld": []}


async def test_a_starting_server_makes_the_hub_unready() -> None:
    provider = tools()
    async with open_endpoint(provider) as endpoint, aiohttp.ClientSession() as session:
        provider.become("starting")
        async with session.get(endpoint.url.removesuffix("/mcp") + "/readyz") as response:
            assert response.status == 503


async def test_task_notifications_follow_the_acknowledgement_on_a_listen_stream() -> None:
    provider = tools()
    capabilities: Json = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta: Json = {**META, "io.modelcontextprotocol/clientCapabilities": capabilities}
    message: Json = {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "subscriptions/listen",
        "params": {"notifications": {"toolsListChanged": True}, "_meta": meta},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "subscriptions/listen",
    }
    with anyio.fail_after(20):
        async with (
            open_endpoint(provider) as endpoint,
            aiohttp.ClientSession() as session,
            session.post(endpoint.url, json=message, headers=headers) as response,
        ):
            events: list[Json] = []
            async for line in response.content:
                if line.startswith(b"data: "):
                    events.append(json.loads(line.removeprefix(b"data: ")))
                    if len(events) == 2:
                        break
                    status: Json = {"taskId": "t1", "status": "completed"}
                    change: Json = {"method": "notifications/tasks", "params": status}
                    provider.tell(Change(what="notification", message=change))
    assert [event["method"] for event in events] == [
        "notifications/subscriptions/acknowledged",
        "notifications/tasks",
    ]
    assert events[1]["params"] == {
        "taskId": "t1",
        "status": "completed",
        "_meta": {"io.modelcontextprotocol/subscriptionId": 5},
    }
