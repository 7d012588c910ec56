"""A streamed answer that goes no further lets go of its server."""

import logging
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import anyio
import pytest
from pydantic_core import to_json

from hub.catalog.catalog import open_catalog
from hub.catalog.provider import Caller, Json, RawReply
from hub.catalog.section import Section
from hub.errors import TooLargeError
from hub.gateway.doorkeeper import Doorkeeper
from hub.gateway.http import AsgiApp, HttpGateway
from hub.gateway.lane import ShortLane
from hub.gateway.settings import GatewaySettings
from tests.tooling.memory_provider import RawMemoryProvider
from tests.tooling.wire import MODERN, modern_request

Message = MutableMapping[str, Any]


class Streaming(RawMemoryProvider):
    """Answers in two parts; the second one can be an error."""

    error: Exception | None = None
    is_closed: bool = False

    async def relay(self, request: Json, caller: Caller) -> RawReply:
        return RawReply(status=200, content_type=b"application/json", body=self._parts())

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            if self.error is not None:
                raise self.error
            yield b"second"
        finally:
            self.is_closed = True


async def no_long_road() -> AsgiApp:
    raise AssertionError("this call takes the short lane")


async def call(provider: Streaming, *, reads: int) -> list[Message]:
    """Call the tool as a client that takes `reads` messages and then no more; what it took."""
    taken: list[Message] = []
    body = to_json(modern_request("tools/call", {"name": "s__echo", "arguments": {}}))
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not pending:
            await anyio.sleep_forever()
        return pending.pop()

    async def send(message: Message) -> None:
        if len(taken) == reads:
            await anyio.sleep_forever()
        taken.append(message)

    headers = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": "s__echo",
    }
    scope: Message = {"type": "http", "method": "POST", "path": "/mcp"}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    settings = GatewaySettings.model_validate({"port": 0})
    async with open_catalog([]) as catalog:
        catalog.add(Section(provider=provider, prefix="s"))
        await catalog.settled(5)
        gateway = HttpGateway(
            catalog=catalog,
            settings=settings,
            doorkeeper=Doorkeeper(settings, host="127.0.0.1", token=None),
            lane=ShortLane(catalog, identity="local", server_info={"name": "hub", "version": "1"}),
            long_road=no_long_road,
            stalled_s=0.05,
        )
        with anyio.fail_after(5):
            await gateway(scope, receive, send)
    return taken


def streaming() -> Streaming:
    provider = Streaming(name="s")
    provider.add_tool("echo")
    return provider


def bodies(taken: list[Message]) -> list[bytes]:
    return [message["body"] for message in taken if message["type"] == "http.response.body"]


async def test_a_client_that_reads_gets_the_whole_answer() -> None:
    provider = streaming()
    assert bodies(await call(provider, reads=10)) == [b"first", b"second", b""]
    assert provider.is_closed


async def test_a_client_that_stops_reading_holds_its_server_no_longer_than_the_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = streaming()
    with caplog.at_level(logging.WARNING):
        assert bodies(await call(provider, reads=2)) == [b"first"]
    assert provider.is_closed
    assert [record.message for record in caplog.records] == [
        "a client left its answer unread for 0.05 s: the connection is given up"
    ]


async def test_an_answer_that_breaks_off_is_told_in_the_log_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = streaming()
    provider.error = TooLargeError("it sent more than 5 bytes (`max_message_bytes`)")
    with caplog.at_level(logging.WARNING):
        assert bodies(await call(provider, reads=10)) == [b"first"]
    assert provider.is_closed
    assert [(record.message, record.exc_info) for record in caplog.records] == [
        (
            "an answer broke off on its way to the client: too_large: it sent more than 5 bytes (`max_message_bytes`)",
            None,
        )
    ]
