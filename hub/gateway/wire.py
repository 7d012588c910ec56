"""Results and errors in the form that each era's clients take. The one place where errors become wire."""

from typing import cast

from pydantic_core import to_json

from hub.catalog.provider import Era, Json
from hub.errors import HubError, InvalidInputError, RemoteError, StaleAnswerError, UnknownNameError

MODERN_VERSION = "2026-07-28"
PROTOCOL_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO_KEY = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
TRACE_KEYS = frozenset({"traceparent", "tracestate", "baggage"})

ENVELOPE_KEYS = frozenset({PROTOCOL_VERSION_KEY, CLIENT_INFO_KEY, CLIENT_CAPABILITIES_KEY, LOG_LEVEL_KEY})

INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
_LEGACY_NOT_FOUND = -32002

HTTP_STATUS = {-32700: 400, -32600: 400, -32601: 404, -32602: 400, -32020: 400, -32021: 400, -32022: 400}
"""HTTP status of a JSON-RPC error that is the whole answer to a modern request; 200 for any other code."""
_CACHED_METHODS = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read", "server/discover"}
)


def without_envelope(params: Json) -> Json:
    """Request parameters as providers take them: without the era's envelope and the progress token."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        return params
    kept = {
        key: value for key, value in cast("Json", meta).items() if key not in ENVELOPE_KEYS and key != "progressToken"
    }
    rest = {key: value for key, value in params.items() if key != "_meta"}
    return {**rest, "_meta": kept} if kept else rest


def result_for(era: Era, method: str, body: Json, server_info: Json) -> Json:
    """A provider's result in the form of the client's era.

    Modern results get the `resultType`, cache hints and `serverInfo` that they lack; handshake-era results lose what
    their clients could not read: those three, and structured content or output schemas that are no objects.

    Source: MCP 2026-07-28, basic (results), server/utilities/caching; MCP 2025-11-25, server/tools.
    """
    if era == "modern":
        return _modern_result(method, body, server_info)
    result = {key: value for key, value in body.items() if key not in ("resultType", "ttlMs", "cacheScope")}
    meta = result.get("_meta")
    if isinstance(meta, dict) and SERVER_INFO_KEY in meta:
        kept = {key: value for key, value in cast("Json", meta).items() if key != SERVER_INFO_KEY}
        result = {**result, "_meta": kept} if kept else {k: v for k, v in result.items() if k != "_meta"}
    if method == "tools/call" and not isinstance(result.get("structuredContent", {}), dict):
        structured = result.pop("structuredContent")
        if not result.get("content"):
            result["content"] = [{"type": "text", "text": to_json(structured).decode()}]
    if method == "tools/list":
        result["tools"] = [_legacy_tool(tool) for tool in cast("list[Json]", result.get("tools", []))]
    return result


def _modern_result(method: str, body: Json, server_info: Json) -> Json:
    result = body if "resultType" in body else {"resultType": "complete", **body}
    if method in _CACHED_METHODS and result["resultType"] == "complete" and "ttlMs" not in result:
        result = {"ttlMs": 0, "cacheScope": "private", **result}
    meta = cast("Json", result.get("_meta") or {})
    if SERVER_INFO_KEY in meta:
        return result
    return {**result, "_meta": {**meta, SERVER_INFO_KEY: server_info}}


def _legacy_tool(tool: Json) -> Json:
    schema = tool.get("outputSchema")
    if schema is None or (isinstance(schema, dict) and cast("Json", schema).get("type") == "object"):
        return tool
    return {key: value for key, value in tool.items() if key != "outputSchema"}


def failed_call(error: HubError) -> Json:
    """A failure of the hub as the result of a tool call, which models can read.

    Source: MCP 2026-07-28, server/tools (error handling).
    """
    return {
        "content": [{"type": "text", "text": f"{error.code}: {error}"}],
        "isError": True,
        "_meta": {"hub/code": error.code, "hub/retryable": error.retryable},
    }


def is_protocol_error(method: str, error: HubError) -> bool:
    """Whether an error answers the request as a JSON-RPC error instead of a tool's result."""
    return method != "tools/call" or isinstance(error, RemoteError | UnknownNameError)


def rpc_error(method: str, error: HubError, era: Era) -> Json:
    """An error as JSON-RPC error object: a server's own as it stands, the hub's with its code in `data`."""
    if isinstance(error, RemoteError):
        code = error.rpc_code
        if method == "resources/read" and era == "modern" and code == _LEGACY_NOT_FOUND:
            code = INVALID_PARAMS
        remote: Json = {"code": code, "message": str(error)}
        return remote if error.data is None else {**remote, "data": error.data}
    is_callers = isinstance(error, UnknownNameError | InvalidInputError | StaleAnswerError)
    return {
        "code": INVALID_PARAMS if is_callers else INTERNAL_ERROR,
        "message": f"{error.code}: {error}",
        "data": {"hub/code": error.code, "hub/retryable": error.retryable},
    }
