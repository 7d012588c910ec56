"""The HTTP headers that mirror a modern request's body, for whoever routes without reading bodies.

Source: MCP 2026-07-28, basic/transports/streamable-http, standard and custom headers.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from hub.catalog.provider import Json
from hub.upstream.wire import MODERN_VERSION

HeaderMap = Mapping[tuple[str, ...], str]
"""Path of a property in a tool's arguments -> the header that mirrors it."""

_NAMED_BY: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")
_SENTINEL = re.compile(r"=\?base64\?.*\?=", re.DOTALL)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_ONE_SCHEMA: Final = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_SCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMA_MAPS: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties"})


class AnnotationError(ValueError):
    """An `x-mcp-header` annotation that the specification does not allow; clients leave such a tool out."""


def encode_value(value: str) -> str:
    """A header value, wrapped in the base64 sentinel where it would not travel as it stands."""
    if _PLAIN.fullmatch(value) and not _SENTINEL.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def routing_headers(method: str, params: Json) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": MODERN_VERSION, "Mcp-Method": method}
    key = _NAMED_BY.get(method)
    if key is not None:
        named: object = params.get(key)
        if isinstance(named, str):
            headers["Mcp-Name"] = encode_value(named)
    return headers


def build_header_map(schema: object) -> HeaderMap:
    """Collect the `x-mcp-header` annotations of a tool's input schema.

    Raises:
        AnnotationError: an annotation stands where none may, or is malformed; the message names the property.
    """
    found: dict[tuple[str, ...], str] = {}
    seen: set[str] = set()
    for path, position in _positions(schema):
        if "x-mcp-header" not in position:
            continue
        where = "/".join(path) if path else "a position outside of `properties`"
        token: object = position["x-mcp-header"]
        if not path:
            raise AnnotationError(f"x-mcp-header stands at {where}")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise AnnotationError(f"x-mcp-header of {where} is not a header name")
        if position.get("type") not in ("string", "integer", "boolean"):
            raise AnnotationError(f"x-mcp-header of {where} is only allowed on a string, an integer or a boolean")
        if token.lower() in seen:
            raise AnnotationError(f"x-mcp-header of {where} is used twice")
        seen.add(token.lower())
        found[path] = f"Mcp-Param-{token}"
    return found


def param_headers(header_map: HeaderMap, arguments: object) -> dict[str, str]:
    headers: dict[str, str] = {}
    for path, header in header_map.items():
        value: object = arguments
        for key in path:
            value = cast("dict[str, object]", value).get(key) if isinstance(value, dict) else None
        if isinstance(value, bool):
            headers[header] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            headers[header] = encode_value(str(value))
    return headers


def _positions(root: object) -> Iterator[tuple[tuple[str, ...] | None, Json]]:
    """Every schema position; its path is None once anything but `properties` was crossed."""
    stack: list[tuple[tuple[str, ...] | None, object]] = [((), root)]
    while stack:
        path, node = stack.pop()
        if not isinstance(node, dict):
            continue
        schema = cast("Json", node)
        yield path, schema
        for keyword, value in cast("Mapping[str, Any]", schema).items():
            if keyword in _ONE_SCHEMA:
                stack.append((None, value))
            elif keyword in _SCHEMA_LISTS and isinstance(value, list):
                stack.extend((None, item) for item in cast("list[object]", value))
            elif isinstance(value, dict) and (keyword == "properties" or keyword in _SCHEMA_MAPS):
                for name, item in cast("dict[str, object]", value).items():
                    inner = (*path, name) if keyword == "properties" and path is not None else None
                    stack.append((inner, item))
