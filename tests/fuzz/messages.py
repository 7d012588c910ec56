"""Generated messages: good ones of both eras, and what is done to them. Each follows from a seed and a number alone."""

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.values import mutate, odd_value, spoil, write
from tests.tooling.wire import MODERN, Json, envelope

LEGACY = "2025-11-25"
_CLIENT = {"name": "fuzz", "version": "1"}
_CALLS: tuple[tuple[str, Json], ...] = (
    ("tools/call", {"name": "local__echo", "arguments": {"text": "hello"}}),
    ("tools/call", {"name": "remote__echo", "arguments": {"text": "hello"}}),
    ("tools/call", {"name": "remote__echo", "arguments": {"text": "hello"}, "_meta": {"progressToken": 7}}),
    ("tools/call", {"name": "no_such_tool", "arguments": {}}),
    ("tools/list", {}),
    ("tools/list", {"cursor": "abc"}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "none", "arguments": {"a": "b"}}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": "test://none"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "none"}, "argument": {"name": "a", "value": "b"}}),
    ("tasks/get", {"taskId": "none"}),
    ("tasks/cancel", {"taskId": "none"}),
)
_MODERN_ONLY: tuple[tuple[str, Json], ...] = (("server/discover", {}),)
_LEGACY_ONLY: tuple[tuple[str, Json], ...] = (
    ("ping", {}),
    ("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}),
    ("resources/subscribe", {"uri": "test://none"}),
    ("resources/unsubscribe", {"uri": "test://none"}),
    ("logging/setLevel", {"level": "info"}),
)
_NOTIFICATIONS: tuple[tuple[str, Json], ...] = (
    ("notifications/initialized", {}),
    ("notifications/cancelled", {"requestId": 1, "reason": "no"}),
    ("notifications/progress", {"progressToken": 7, "progress": 1}),
    ("notifications/roots/list_changed", {}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One JSON-RPC message, mostly a broken one."""

    data: bytes
    method: str
    """The method of the good message that it was made from."""
    name: str | None
    """The name or URI that a modern client would put into `Mcp-Name`."""


def random_of(seed: int, number: int) -> Random:
    return Random(f"{seed}:{number}")


def good_message(random: Random, *, modern: bool) -> Json:
    """A message that a client could send."""
    kinds = (*_CALLS, *(_MODERN_ONLY if modern else _LEGACY_ONLY))
    is_notification = random.random() < 0.08
    method, params = random.choice(_NOTIFICATIONS if is_notification else kinds)
    if modern:
        params = {**params, "_meta": {**params.get("_meta", {}), **envelope()}}
    message: Json = {"jsonrpc": "2.0", "method": method, "params": params}
    if not is_notification:
        message["id"] = random.choice((1, 1, 1, 2, "one", random.randrange(10**6)))
    return message


def build_body(random: Random, *, modern: bool) -> Body:
    """A message with something wrong in it: in its values, its bytes, or in its being a batch or a response."""
    message = good_message(random, modern=modern)
    params: Json = message["params"]
    named = params.get("name", params.get("uri", params.get("taskId")))
    choice = random.random()
    if choice < 0.04:
        value: Any = message
    elif choice < 0.10:
        value = _batch(message, random, modern=modern)
    elif choice < 0.14:
        value = {"jsonrpc": "2.0", "id": odd_value(random), random.choice(("result", "error")): odd_value(random)}
    elif choice < 0.18:
        value = odd_value(random)
    else:
        value = mutate(message, random)
    # A lone surrogate stands in the text as an escape; one that came in by a key is written the same way.
    data = write(value).encode("utf-8", "surrogatepass")
    if choice > 0.75:
        data = spoil(data, random)
    return Body(data=data, method=message["method"], name=named)


def _batch(message: Json, random: Random, *, modern: bool) -> list[Any]:
    parts: list[Any] = [message, mutate(message, random), good_message(random, modern=modern), odd_value(random)]
    return random.sample(parts, random.randrange(len(parts) + 1))


def good_headers(body: Body, *, modern: bool, session: str | None) -> list[tuple[str, str]]:
    """The headers that fit the good message."""
    headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    if modern:
        headers += [("MCP-Protocol-Version", MODERN), ("Mcp-Method", body.method)]
        if body.name is not None:
            headers.append(("Mcp-Name", body.name))
    else:
        headers.append(("MCP-Protocol-Version", LEGACY))
        if session is not None:
            headers.append(("Mcp-Session-Id", session))
    return headers
