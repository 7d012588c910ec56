"""What the gateway relies on in the SDK beyond its documentation: a new release that changes it fails here."""

from typing import Any, cast

from mcp.server.connection import Connection
from mcp.server.session import ServerSession
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS

from hub.catalog.provider import Answer, Caller, Json, Outcome
from hub.gateway.caller import connection_of
from hub.gateway.wire import HTTP_STATUS
from tests.endpoint.endpoint import open_endpoint
from tests.tooling.memory_provider import MemoryProvider


def test_a_session_knows_its_connection() -> None:
    connection = Connection.from_envelope("2026-07-28", None, {})
    session = ServerSession(cast("Any", None), connection)
    assert connection_of(cast("Any", type("Context", (), {"session": session}))) is connection


def test_both_lanes_give_an_error_the_same_http_status() -> None:
    assert dict(ERROR_CODE_HTTP_STATUS) == HTTP_STATUS


async def test_the_result_of_a_middleware_reaches_the_wire_as_it_is() -> None:
    async def odd(params: Json, caller: Caller) -> Outcome:
        return Answer(body={"content": [], "unknownField": {"deep": None}})

    provider = MemoryProvider(name="s")
    provider.add_tool("odd", odd)
    async with open_endpoint(provider) as endpoint:
        _, body = await endpoint.call("s__odd")
    assert body["result"]["unknownField"] == {"deep": None}
