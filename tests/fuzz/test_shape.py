"""A body that is no message is refused in the hub's own words, in both eras."""

import aiohttp
import pytest

from tests.endpoint.endpoint import open_endpoint

NO_JSON = "the body is no JSON: expected one JSON-RPC 2.0 message in UTF-8"
NO_MESSAGE = (
    'the body is no JSON-RPC 2.0 message: expected one object with `jsonrpc: "2.0"`, a string `method`, '
    "an object `params` and, for a request, a string or integer `id`"
)


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", -32700, NO_JSON),
        (b"{", -32700, NO_JSON),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700, NO_JSON),
        (b"[]", -32600, NO_MESSAGE),
        (b"17", -32600, NO_MESSAGE),
        (b'{"id":1,"method":"ping"}', -32600, NO_MESSAGE),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600, NO_MESSAGE),
        (b'{"jsonrpc":"2.0","id":1,"result":1}', -32600, NO_MESSAGE),
    ],
)
async def test_a_body_that_is_no_message_is_refused_in_the_hubs_own_words(
    version: str, body: bytes, code: int, message: str
) -> None:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
    }
    async with (
        open_endpoint() as endpoint,
        aiohttp.ClientSession() as session,
        session.post(endpoint.url, data=body, headers=headers) as response,
    ):
        assert (response.status, await response.json()) == (
            400,
            {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}},
        )
