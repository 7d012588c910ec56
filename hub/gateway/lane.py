"""The short lane: a modern `tools/call` without the SDK, handed over raw where the provider can answer raw.

It takes a request only when everything about it is as the specification wants it; all else goes the SDK's road,
which knows the right error for each case. Both lanes run the same list of policies.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

from pydantic_core import from_json, to_json

from hub.catalog.catalog import TASKS_EXTENSION, Catalog, has_tasks
from hub.catalog.entry import ToolEntry
from hub.catalog.policy import ToolCall
from hub.catalog.provider import Era, Json, RawRelay, RawReply
from hub.errors import HubError, UnsupportedError
from hub.gateway.patience import reply_when_ready
from hub.gateway.wire import (
    CLIENT_CAPABILITIES_KEY,
    CLIENT_INFO_KEY,
    HTTP_STATUS,
    LOG_LEVEL_KEY,
    MODERN_VERSION,
    PROTOCOL_VERSION_KEY,
    failed_call,
    is_protocol_error,
    result_for,
    rpc_error,
    without_envelope,
)

Headers = Mapping[bytes, bytes]
"""Names in lower case; blanks around the values are gone."""

_VERSION = MODERN_VERSION.encode()
ROUTING_HEADERS = frozenset({b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"content-type", b"accept"})
"""A request in which one of these is repeated takes the long road."""

_JSON = b"application/json"
_EVENTS = b"text/event-stream"
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCaller:
    """A modern client seen through the request's own `_meta`; it can't be turned to, only the answer reaches it."""

    identity: str
    meta: Json
    era: Era = "modern"
    live: bool = False

    @property
    def client_info(self) -> Json | None:
        info = self.meta.get(CLIENT_INFO_KEY)
        return cast("Json", info) if isinstance(info, dict) else None

    @property
    def capabilities(self) -> Json:
        return cast("Json", self.meta[CLIENT_CAPABILITIES_KEY])

    @property
    def wants_progress(self) -> bool:
        return "progressToken" in self.meta

    @property
    def log_level(self) -> str | None:
        level = self.meta.get(LOG_LEVEL_KEY)
        return level if isinstance(level, str) else None

    async def progress(self, params: Json) -> None:
        """Nothing to do: progress is part of a raw answer, and else was not wanted."""

    async def log(self, params: Json) -> None:
        """Nothing to do: log messages are part of a raw answer, and else were not wanted."""

    async def ask(self, method: str, params: Json) -> Json:
        raise UnsupportedError(f"{method} can't be asked in the middle of a modern call")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admitted:
    request: Json
    entry: ToolEntry
    caller: LaneCaller
    relay: RawRelay | None
    """Who answers raw; None: the answer is read and written again, as JSON and without models."""


class ShortLane:
    """Decides which requests may take it, and answers them."""

    def __init__(self, catalog: Catalog, *, identity: str, server_info: Json) -> None:
        self._catalog = catalog
        self._identity = identity
        self._server_info = server_info

    async def answer(self, headers: Headers, body: bytes) -> RawReply | None:
        """Answer a POST, or None: it has to go the SDK's road."""
        name = _routed_name(headers)
        if name is None:
            return None
        if self._catalog.index.get("tools", name) is None and not self._catalog.is_settled:
            await self._catalog.settled(_PATIENCE_S)
        admitted = self._admit(name, body)
        if admitted is None:
            return None
        if admitted.relay is None:
            return await reply_when_ready(self._read(admitted))
        return await self._relay(admitted, admitted.relay)

    async def _relay(self, admitted: _Admitted, relay: RawRelay) -> RawReply:
        request, entry = admitted.request, admitted.entry
        call = ToolCall(entry=entry, params=cast("Json", request["params"]), caller=admitted.caller)
        try:
            for policy in self._catalog.policies:
                call = await policy.before(call)
            own = {**request, "params": {**call.params, "name": entry.own_name}}
            reply = await relay.relay(own, admitted.caller)
        except HubError as error:
            status, failed = self._failed(request, error)
            return RawReply(status=status, content_type=_JSON, body=failed)
        if isinstance(reply.body, bytes):
            return reply
        return replace(reply, body=self._whole(request, reply.content_type, reply.body))

    async def _read(self, admitted: _Admitted) -> tuple[int, bytes]:
        request = admitted.request
        try:
            outcome = await self._catalog.call_tool(without_envelope(request["params"]), admitted.caller)
        except HubError as error:
            return self._failed(request, error)
        result = result_for("modern", "tools/call", outcome.body, self._server_info)
        return 200, to_json({"jsonrpc": "2.0", "id": request["id"], "result": result})

    async def _whole(
        self, request: Json, content_type: bytes, stream: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        """A relayed stream that ends with an answer, whatever happens to its server; or breaks off, if it can't."""
        is_begun = False
        async with aclosing(stream):
            try:
                async for chunk in stream:
                    is_begun = True
                    yield chunk
            except HubError as error:
                _, failed = self._failed(request, error)
                if content_type.startswith(_EVENTS):
                    yield b"\r\n\r\nevent: message\r\ndata: " + failed + b"\r\n\r\n"
                elif is_begun:
                    raise
                else:
                    yield failed

    def _admit(self, name: str, body: bytes) -> _Admitted | None:
        entry = self._catalog.index.get("tools", name)
        if not isinstance(entry, ToolEntry) or entry.has_header_parameters:
            return None
        try:
            request: object = from_json(body)
        except ValueError:
            return None
        meta = _meta_of_call(request, name)
        if meta is None:
            return None
        caller = LaneCaller(identity=self._identity, meta=meta)
        request = cast("Json", request)
        relay = self._raw_relay(entry, request, caller)
        if relay is None and (caller.wants_progress or caller.log_level is not None):
            return None  # what comes before the answer needs a stream
        return _Admitted(request=request, entry=entry, caller=caller, relay=relay)

    def _raw_relay(self, entry: ToolEntry, request: Json, caller: LaneCaller) -> RawRelay | None:
        """The provider, if nobody has to look at its answer: no policy, no changed URI, no task whose owner counts."""
        relay = entry.raw_relay
        if relay is None or self._catalog.reads_answers:
            return None
        section = self._catalog.index.sections.get(entry.provider.name)
        if section is None or section.renamed or not relay.can_relay(request):
            return None
        extensions = caller.capabilities.get("extensions")
        may_be_task = isinstance(extensions, dict) and TASKS_EXTENSION in extensions and has_tasks(section)
        return None if may_be_task else relay

    def _failed(self, request: Json, error: HubError) -> tuple[int, bytes]:
        """HTTP status and JSON-RPC response."""
        status = 200
        reply: Json = {"jsonrpc": "2.0", "id": request["id"]}
        if is_protocol_error("tools/call", error):
            reply["error"] = rpc_error("tools/call", error, "modern")
            status = HTTP_STATUS.get(reply["error"]["code"], 200)
        else:
            reply["result"] = result_for("modern", "tools/call", failed_call(error), self._server_info)
        return status, to_json(reply)


def _routed_name(headers: Headers) -> str | None:
    """The tool's name, if the headers are those of a plain modern `tools/call`.

    Source: MCP 2026-07-28, basic/transports (standard request headers).
    """
    if headers.get(b"mcp-protocol-version") != _VERSION or headers.get(b"mcp-method") != b"tools/call":
        return None
    name, accept = headers.get(b"mcp-name", b""), headers.get(b"accept", b"")
    if not headers.get(b"content-type", b"").startswith(_JSON) or _JSON not in accept or _EVENTS not in accept:
        return None
    if not name.isascii() or not name or name.startswith(b"=?"):
        return None
    if any(key.startswith(b"mcp-param-") for key in headers):
        return None
    return name.decode("ascii")


def _meta_of_call(request: object, name: str) -> Json | None:
    """The `_meta` of a JSON-RPC request that is a well-formed modern `tools/call` of this tool, else None."""
    message = _object(request)
    params = _object(message.get("params"))
    meta = _object(params.get("_meta"))
    request_id = message.get("id")
    is_call = (
        message.get("jsonrpc") == "2.0"
        and isinstance(request_id, str | int)
        and not isinstance(request_id, bool)
        and message.get("method") == "tools/call"
        and params.get("name") == name
        and isinstance(params.get("arguments", {}), dict)
        and isinstance(meta.get(CLIENT_CAPABILITIES_KEY), dict)
        and meta.get(PROTOCOL_VERSION_KEY) == MODERN_VERSION
    )
    return meta if is_call and _is_typed(meta) else None


def _object(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _is_typed(meta: Json) -> bool:
    token = meta.get("progressToken", "")
    level = meta.get(LOG_LEVEL_KEY, "info")
    info = meta.get(CLIENT_INFO_KEY, {"name": "", "version": ""})
    return (
        isinstance(token, str | int)
        and not isinstance(token, bool)
        and isinstance(level, str)
        and isinstance(info, dict)
    )
