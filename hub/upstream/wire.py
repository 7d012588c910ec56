"""JSON-RPC messages and the protocol's fixed names, as the hub writes and reads them towards servers."""

from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic_core import from_json, to_json

from hub.catalog.provider import Caller, Json
from hub.errors import RemoteError

MODERN_VERSION: Final = "2026-07-28"
OFFERED_LEGACY_VERSION: Final = "2025-11-25"
LEGACY_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")

META_PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"

INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022

EVERY_CAPABILITY: Final[Json] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}, "context": {}},
    "roots": {"listChanged": True},
}
"""What the hub declares where one session serves every caller; each caller's own limits are kept by `asking`."""

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class GarbageError(Exception):
    """Bytes that are not one JSON-RPC message."""


def encode(message: Json) -> bytes:
    return to_json(message)


def decode(data: bytes | bytearray | memoryview) -> Json:
    """Read one message.

    Raises:
        GarbageError: not JSON, or not an object.
    """
    try:
        message: object = from_json(bytes(data) if isinstance(data, memoryview) else data)
    except ValueError as error:
        raise GarbageError("not JSON") from error
    if not isinstance(message, dict):
        raise GarbageError("not a JSON object")
    return cast("Json", message)


def request(request_id: int | str, method: str, params: Json | None) -> Json:
    if params is None:
        return {"jsonrpc": "2.0", "id": request_id, "method": method}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def notification(method: str, params: Json | None = None) -> Json:
    if params is None:
        return {"jsonrpc": "2.0", "method": method}
    return {"jsonrpc": "2.0", "method": method, "params": params}


def result_of(message: Json) -> Json:
    """The result that a response carries.

    Raises:
        RemoteError: the response is an error.
        GarbageError: it is neither.
    """
    result: object = message.get("result")
    if isinstance(result, dict):
        return cast("Json", result)
    raise error_of(message)


def error_of(message: Json) -> RemoteError:
    """The error that a response carries.

    Raises:
        GarbageError: it carries none.
    """
    error: object = message.get("error")
    if not isinstance(error, dict):
        raise GarbageError("neither a result nor an error")
    fields = cast("Json", error)
    code: object = fields.get("code")
    text: object = fields.get("message")
    return RemoteError(
        code if isinstance(code, int) else INTERNAL_ERROR, text if isinstance(text, str) else "", fields.get("data")
    )


def is_response(message: Json) -> bool:
    return "method" not in message and ("result" in message or "error" in message)


def params_of(message: Json) -> Json:
    """The parameters of a request or notification; empty where there are none."""
    params: object = message.get("params")
    return cast("Json", params) if isinstance(params, dict) else {}


def object_at(value: Mapping[str, Any], key: str) -> Json:
    """The object that stands at `key`; empty where there is none."""
    found: object = value.get(key)
    return cast("Json", found) if isinstance(found, dict) else {}


def with_meta(params: Json, caller: Caller | None, progress_token: int | str) -> Json:
    """Parameters for a legacy server: what the caller sent, and a progress token of our own if it wants progress."""
    if caller is None or not caller.wants_progress:
        return params
    return {**params, "_meta": {**object_at(params, "_meta"), "progressToken": progress_token}}


def with_envelope(params: Json, caller: Caller | None, identity: Json, progress_token: int | str) -> Json:
    """Parameters for a modern server: each request says for itself who asks and what that client can do.

    Source: MCP 2026-07-28, basic, per-request protocol fields.
    """
    meta = dict(object_at(params, "_meta"))
    meta[META_PROTOCOL_VERSION] = MODERN_VERSION
    if caller is None:
        meta[META_CLIENT_INFO] = identity
        meta[META_CLIENT_CAPABILITIES] = {**EVERY_CAPABILITY, "extensions": {TASKS_EXTENSION: {}}}
    else:
        meta[META_CLIENT_INFO] = caller.client_info or identity
        meta[META_CLIENT_CAPABILITIES] = caller.capabilities
        if caller.log_level is not None:
            meta[META_LOG_LEVEL] = caller.log_level
        if caller.wants_progress:
            meta["progressToken"] = progress_token
    return {**params, "_meta": meta}


def passes_level(level: object, threshold: str | None) -> bool:
    """Whether a log message of `level` is at least as severe as `threshold`.

    Source: RFC 5424, section 6.2.1, by the names MCP gives the levels.
    """
    if threshold is None:
        return False
    if level not in LOG_LEVELS or threshold not in LOG_LEVELS:
        return True
    return LOG_LEVELS.index(cast("str", level)) >= LOG_LEVELS.index(threshold)
