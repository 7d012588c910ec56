"""A graph's schemas, slimmed: LangChain's 20 kB union of messages becomes `{role, content}`."""

import json
import re
import typing
from typing import Any, Final, cast

from .hints import Hints
from .plain import as_object

Json = dict[str, Any]

_MESSAGE_IN: Final[Json] = {
    "type": "object",
    "properties": {"role": {"enum": ["user", "assistant", "system"]}, "content": {"type": "string"}},
    "required": ["role", "content"],
    "additionalProperties": False,
}
_MESSAGE_OUT: Final[Json] = {
    "type": "object",
    "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
    "required": ["role", "content"],
}

_ROLES: Final = {"human": "user", "ai": "assistant"}


def input_schema(graph: Any) -> Json:
    """Make the schema of the arguments; an unknown key is refused, which LangGraph would drop."""
    schema = _slim(_schema_of(graph, "input"), _MESSAGE_IN)
    if list(schema["properties"]) == ["messages"]:
        schema["required"] = ["messages"]
    return {**schema, "additionalProperties": False}


def output_schema(graph: Any) -> Json:
    """Make the schema of the result; a graph may end without each of its keys."""
    schema = _slim(_schema_of(graph, "output"), _MESSAGE_OUT)
    schema.pop("required", None)
    return schema


def context_schema(graph: Any) -> Json | None:
    """Make the schema of the static context, where the graph has one."""
    if getattr(graph, "context_schema", None) is None:
        return None
    schema = _schema_of(graph, "context")
    return _slim(schema, _MESSAGE_IN)


def wraps_result(graph: Any) -> bool:
    """Tell whether the output is no object of channels, so that it stands under `result`."""
    return isinstance(graph.output_channels, str) and _slim_root(_schema_of(graph, "output")).get("type") != "object"


def wraps_input(graph: Any) -> bool:
    """Tell whether the input is no object of channels, so that it stands under `input`."""
    return _slim_root(_schema_of(graph, "input")).get("type") != "object"


def _schema_of(graph: Any, side: str) -> Json:
    """Ask LangGraph for a schema, else read the hints.

    LangGraph asks pydantic, which refuses `typing.TypedDict` before Python 3.12 and types of its users' own.
    """
    try:
        schema = getattr(graph, f"get_{side}_jsonschema")()
    except Exception:  # noqa: BLE001 - whatever pydantic has against a type, the hints are read instead
        schema = _schema_of_hints(getattr(graph.builder, f"{side}_schema"))
    return as_object(schema)


def _schema_of_hints(model: Any) -> Json:
    hints = Hints()
    properties: Json = {}
    for name, hint in typing.get_type_hints(model, include_extras=True).items():
        try:
            properties[name], _ = hints.read(hint)
        except TypeError:
            properties[name] = {}
    required = sorted(getattr(model, "__required_keys__", ()))
    schema: Json = {"type": "object", "title": model.__name__, "properties": properties, "required": required}
    return {**schema, "$defs": hints.definitions} if hints.definitions else schema


def _slim_root(schema: Json) -> Json:
    if "$ref" in schema:
        definitions = cast("Json", schema.get("$defs", {}))
        return {**cast("Json", definitions[str(schema["$ref"]).rsplit("/", 1)[-1]]), "$defs": definitions}
    return schema


def _slim(schema: Json, message: Json) -> Json:
    schema = _slim_root(schema)
    definitions = cast("Json", schema.get("$defs", {}))
    if schema.get("type") != "object":
        name = "input" if message is _MESSAGE_IN else "result"
        inner = {key: item for key, item in schema.items() if key != "$defs"}
        schema = {"type": "object", "properties": {name: inner}, "required": [name]}
    properties = {
        key: {"type": "array", "items": message, "description": "Chat messages"} if _is_messages(item) else item
        for key, item in cast("Json", schema.get("properties", {})).items()
    }
    slim = {key: item for key, item in schema.items() if key not in ("$defs", "properties")}
    slim = {**slim, "type": "object", "properties": properties}
    used: Json = {}
    pending = [json.dumps(slim)]
    while pending:
        for name in re.findall(r'"#/\$defs/([^"]+)"', pending.pop()):
            if name not in used and name in definitions:
                used[name] = definitions[name]
                pending.append(json.dumps(definitions[name]))
    return {**slim, "$defs": used} if used else slim


def _is_messages(schema: Any) -> bool:
    return isinstance(schema, dict) and "HumanMessage" in json.dumps(cast("Json", schema).get("items", {}))


def to_messages(messages: list[Any]) -> list[Json]:
    """Give messages in the slim form; those without text, such as bare tool calls, are left out."""
    return [
        {"role": _ROLES.get(message.type, message.type), "content": message_text(message)}
        for message in messages
        if hasattr(message, "content") and message.content
    ]


def message_text(message: Any) -> str:
    """Give a message's text, of all its blocks."""
    content = message.content
    if isinstance(content, str):
        return content
    blocks = [as_object(block) or {"text": str(block)} for block in cast("list[Any]", content)]
    texts = [str(block["text"]) for block in blocks if "text" in block]
    return "".join(texts) or json.dumps(blocks, default=str)
