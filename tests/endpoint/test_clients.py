"""The SDK's own client in both eras, in front of the gateway."""

import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.session import ClientRequestContext

from hub.catalog.provider import Answer, Caller, Change, Json, Outcome, Questions
from tests.endpoint.endpoint import Endpoint, open_endpoint
from tests.tooling.memory_provider import MemoryProvider, text

Mode = Literal["legacy", "2026-07-28"]
BOTH = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
NAME_FORM: Json = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
QUESTION: Json = {
    "method": "elicitation/create",
    "params": {"mode": "form", "message": "your name?", "requestedSchema": NAME_FORM},
}


def make_provider() -> MemoryProvider:
    provider = MemoryProvider(
        name="s",
        definitions={
            "prompts": [{"name": "greet", "arguments": [{"name": "who"}]}],
            "resources": [{"uri": "mem://a", "name": "a"}],
            "templates": [{"uriTemplate": "mem://{id}", "name": "by id"}],
        },
        contents={"mem://a": "alpha"},
    )

    async def chatty(params: Json, caller: Caller) -> Outcome:
        await caller.progress({"progress": 1, "total": 2, "message": "half"})
        await caller.log({"level": "debug", "data": "too fine"})
        await caller.log({"level": "warning", "data": {"n": 1}, "logger": "s"})
        await caller.progress({"progress": 2, "total": 2, "message": "done"})
        return text("done")

    async def asks(params: Json, caller: Caller) -> Outcome:
        """As a modern server does: questions first, then the answer."""
        if params.get("requestState") != "round-1":
            return Questions(
                body={"resultType": "input_required", "inputRequests": {"q": QUESTION}, "requestState": "round-1"}
            )
        return Answer(body={"content": [{"type": "text", "text": params["inputResponses"]["q"]["content"]["name"]}]})

    async def asks_live(params: Json, caller: Caller) -> Outcome:
        """As a server of the handshake era does."""
        answer = await caller.ask(QUESTION["method"], QUESTION["params"])
        return text(answer["content"]["name"])

    async def structured(params: Json, caller: Caller) -> Outcome:
        return Answer(body={"content": [], "structuredContent": {"n": 1}, "_meta": {"vendor/x": 1}})

    provider.add_tool("chatty", chatty)
    provider.add_tool("asks", asks)
    provider.add_tool("asks_live", asks_live)
    provider.add_tool("structured", structured)
    return provider


@asynccontextmanager
async def connected(mode: Mode, **options: Any) -> AsyncGenerator[tuple[Client, MemoryProvider, Endpoint], None]:
    provider = make_provider()
    with anyio.fail_after(30), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK marks what the newest revision deprecates
        async with open_endpoint(provider) as endpoint, Client(endpoint.url, mode=mode, **options) as client:
            yield client, provider, endpoint


async def answer_with_name(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"name": "Ada"})


def said(result: Any) -> str:
    block = result.content[0]
    assert isinstance(block, types.TextContent)
    return block.text


@BOTH
async def test_everything_is_listed_under_public_names(mode: Mode) -> None:
    async with connected(mode) as (client, _, _):
        tools = await client.list_tools()
        prompts = await client.list_prompts()
        resources = await client.list_resources()
        templates = await client.list_resource_templates()
    assert [tool.name for tool in tools.tools] == ["s__chatty", "s__asks", "s__asks_live", "s__structured"]
    assert [prompt.name for prompt in prompts.prompts] == ["s__greet"]
    assert [resource.uri for resource in resources.resources] == ["mem://a"]
    assert [template.uri_template for template in templates.resource_templates] == ["mem://{id}"]


@BOTH
async def test_structured_content_and_meta_come_through(mode: Mode) -> None:
    async with connected(mode) as (client, _, _):
        result = await client.call_tool("s__structured", {})
    assert result.structured_content == {"n": 1}
    assert result.meta is not None
    assert result.meta["vendor/x"] == 1


@BOTH
async def test_progress_and_logs_reach_the_caller_in_order_and_at_its_level(mode: Mode) -> None:
    logged: list[Any] = []
    seen: list[tuple[float, float | None, str | None]] = []

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        logged.append((params.level, params.data, params.logger))

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    options: dict[str, Any] = {"log_level": "info"} if mode != "legacy" else {}
    async with connected(mode, logging_callback=on_log, **options) as (client, _, _):
        if mode == "legacy":
            await client.set_logging_level("info")  # pyright: ignore[reportDeprecated]  # the handshake era's way
        assert said(await client.call_tool("s__chatty", {}, progress_callback=on_progress)) == "done"
    assert seen == [(1, 2, "half"), (2, 2, "done")]
    assert logged == [("warning", {"n": 1}, "s")]


@BOTH
async def test_the_questions_of_a_modern_server_are_answered_in_both_eras(mode: Mode) -> None:
    async with connected(mode, elicitation_callback=answer_with_name) as (client, provider, _):
        assert said(await client.call_tool("s__asks", {"a": 1})) == "Ada"
    assert [params.get("requestState") for _, params in provider.seen] == [None, "round-1"]
    assert all(params["arguments"] == {"a": 1} for _, params in provider.seen)


async def test_a_live_question_reaches_a_client_of_the_handshake_era() -> None:
    async with connected("legacy", elicitation_callback=answer_with_name) as (client, _, _):
        assert said(await client.call_tool("s__asks_live", {})) == "Ada"


async def test_a_client_is_never_asked_what_it_did_not_declare() -> None:
    async with connected("legacy") as (client, _, _):
        result = await client.call_tool("s__asks_live", {})
    assert result.is_error
    assert said(result).startswith("unsupported: this client can't be asked elicitation/create")


@BOTH
async def test_prompts_resources_and_completions_are_relayed(mode: Mode) -> None:
    async with connected(mode) as (client, _, _):
        prompt = await client.get_prompt("s__greet", {"who": "Ada"})
        resource = await client.read_resource("mem://a")
        completion = await client.complete(
            types.PromptReference(type="ref/prompt", name="s__greet"), {"name": "who", "value": "A"}
        )
    assert isinstance(prompt.messages[0].content, types.TextContent)
    assert prompt.messages[0].content.text == "greet"
    content = resource.contents[0]
    assert isinstance(content, types.TextResourceContents)
    assert content.text == "alpha"
    assert completion.completion.values == ["s"]


@BOTH
async def test_a_missing_resource_has_the_code_of_its_era(mode: Mode) -> None:
    async with connected(mode) as (client, _, _):
        with pytest.raises(MCPError) as caught:
            await client.read_resource("mem://missing")
    assert caught.value.code == (-32002 if mode == "legacy" else -32602)


async def test_a_list_change_reaches_sessions_and_listen_streams() -> None:
    changed = anyio.Event()

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            changed.set()

    async with connected("legacy", message_handler=on_message) as (client, provider, endpoint):
        await client.list_tools()
        async with Client(endpoint.url, mode="2026-07-28") as modern, modern.listen(tools_list_changed=True) as events:
            provider.add_tool("late")
            provider.tell(Change(what="tools"))
            await changed.wait()
            async for event in events:
                assert type(event).__name__ == "ToolsListChanged"
                break
        assert "s__late" in [tool.name for tool in (await client.list_tools()).tools]


@BOTH
async def test_a_resource_subscription_lasts_until_its_client_ends_it(mode: Mode) -> None:
    updated: list[str] = []
    got_one = anyio.Event()

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            updated.append(str(message.params.uri))
            got_one.set()

    async with connected(mode, message_handler=on_message) as (client, provider, _):
        if mode == "legacy":
            await client.subscribe_resource("mem://a")  # pyright: ignore[reportDeprecated]  # the handshake era's way
            assert provider.subscribed == ["mem://a"]
            provider.tell(Change(what="resource_updated", uri="mem://a"))
            await got_one.wait()
            await client.unsubscribe_resource("mem://a")  # pyright: ignore[reportDeprecated]  # as above
        else:
            async with client.listen(resource_subscriptions=["mem://a"]):
                assert provider.subscribed == ["mem://a"]
                provider.tell(Change(what="resource_updated", uri="mem://a"))
                await got_one.wait()
            await provider.unsubscribed.wait()
        assert provider.subscribed == []
    assert updated == ["mem://a"]


async def test_a_cancelled_call_of_the_handshake_era_is_cancelled_at_the_provider() -> None:
    started, cancelled = anyio.Event(), anyio.Event()

    async def slow(params: Json, caller: Caller) -> Outcome:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        raise AssertionError("it slept for ever")

    async with connected("legacy") as (client, provider, _):
        provider.bodies["chatty"] = slow
        async with anyio.create_task_group() as group:

            async def call() -> None:
                await client.call_tool("s__chatty", {})

            group.start_soon(call)
            await started.wait()
            group.cancel_scope.cancel()
        await cancelled.wait()
