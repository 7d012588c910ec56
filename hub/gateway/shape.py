"""Whether a body is a JSON-RPC message at all, told in the hub's own words instead of the SDK's models'."""

from pydantic import ValidationError
from pydantic_core import from_json

from hub.catalog.provider import Json

_PARSE_ERROR = -32700
_INVALID_REQUEST = -32600


def shape_error(body: bytes) -> Json | None:
    """The JSON-RPC error for a body that is no message, or None.

    Loads the SDK's wire models: call it on the long road only.

    Source: JSON-RPC 2.0, sections 4 and 5.1.
    """
    from mcp_types import jsonrpc_message_adapter

    try:
        message: object = from_json(body)
    except ValueError:
        return {"code": _PARSE_ERROR, "message": "the body is no JSON: expected one JSON-RPC 2.0 message in UTF-8"}
    try:
        jsonrpc_message_adapter.validate_python(message, by_name=False)
    except ValidationError:
        return {
            "code": _INVALID_REQUEST,
            "message": (
                'the body is no JSON-RPC 2.0 message: expected one object with `jsonrpc: "2.0"`, a string `method`, '
                "an object `params` and, for a request, a string or integer `id`"
            ),
        }
    return None
