"""The `offline` model: a small deterministic stand-in, for people without a key and for programs that must repeat.

It understands nothing. It calls each offered tool whose name stands in the last thing the user said, once, and then
answers with what it was told.
"""

import json
import re
from typing import Any, cast

from hub.agents.messages import to_text
from hub.agents.signatures import Json

_LONGEST = 400


def answer_offline(request: Json) -> Json:
    """The answer to a request of the model step; the same for the same request."""
    messages = cast("list[Json]", request["messages"])
    said, since = _last_user_prompt(messages)
    output = cast("Json | None", request.get("output"))
    calls = [] if output and not request.get("tools") else _calls(request, messages, said, since)
    if calls:
        parts = calls
    elif output:
        value = _example(cast("Json", output["schema"]), cast("Json", output["schema"]), said)
        parts = [_call(str(output["name"]), cast("Json", value), f"offline-{len(messages)}-out")]
    else:
        parts: list[Json] = [{"part_kind": "text", "content": _text(messages, said, since)}]
    message: Json = {"kind": "response", "parts": parts, "model_name": "offline"}
    count = sum(len(json.dumps(part)) for message in messages for part in message.get("parts", []))
    usage = {"input_tokens": count // 4, "output_tokens": len(json.dumps(parts)) // 4}
    return {"message": message, "usage": usage, "cost_usd": "0"}


def _last_user_prompt(messages: list[Json]) -> tuple[str, int]:
    for place in range(len(messages) - 1, -1, -1):
        for part in messages[place].get("parts", []):
            if part.get("part_kind") == "user-prompt":
                return to_text(part.get("content")), place
    return "", 0


def _calls(request: Json, messages: list[Json], said: str, since: int) -> list[Json]:
    done = {
        part.get("tool_name")
        for message in messages[since:]
        for part in message.get("parts", [])
        if part.get("part_kind") in ("tool-call", "tool-return")
    }
    words = set(re.findall(r"[a-z0-9]+", said.lower()))
    found: list[Json] = []
    for tool in cast("list[Json]", request.get("tools") or []):
        name = str(tool["name"])
        wanted = set(re.findall(r"[a-z0-9]+", name.lower()))
        if name in done or not (name in said or (wanted and wanted <= words)):
            continue
        schema = cast("Json", tool.get("inputSchema") or {})
        arguments = _example(schema, schema, said)
        found.append(_call(name, cast("Json", arguments), f"offline-{len(messages)}-{len(found)}"))
    return found


def _call(name: str, arguments: Json, call_id: str) -> Json:
    return {"part_kind": "tool-call", "tool_name": name, "args": arguments, "tool_call_id": call_id}


def _text(messages: list[Json], said: str, since: int) -> str:
    told = [
        f"{part['tool_name']}: {to_text(part.get('content'))[:_LONGEST]}"
        for message in messages[since:]
        for part in message.get("parts", [])
        if part.get("part_kind") == "tool-return"
    ]
    return "\n".join(told) if told else said[:_LONGEST]


def _example(schema: Json, root: Json, said: str) -> Any:
    """A value that fits the schema, with the user's words for texts and the user's numbers for numbers."""
    while "$ref" in schema:
        schema = cast("Json", _resolve(root, str(schema["$ref"])))
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return next((each for each in schema["enum"] if str(each).lower() in said.lower()), schema["enum"][0])
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _example(schema[key][0], root, said)
    kind = _kind(schema.get("type"))
    numbers = re.findall(r"-?\d+(?:\.\d+)?", said)
    if kind == "object" or (kind is None and "properties" in schema):
        wanted = schema.get("required", [])
        return {n: _example(s, root, said) for n, s in schema.get("properties", {}).items() if n in wanted}
    if kind == "array":
        items = cast("Json", schema.get("items") or {"type": "string"})
        return [_example(items, root, said) for _ in range(max(1, int(schema.get("minItems", 1))))]
    if kind == "integer":
        return int(float(numbers[0])) if numbers else int(schema.get("minimum", 1))
    if kind == "number":
        return float(numbers[0]) if numbers else float(schema.get("minimum", 1))
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return said[: int(schema.get("maxLength", _LONGEST))]


def _kind(given: object) -> str | None:
    if isinstance(given, list):
        return next((each for each in cast("list[object]", given) if isinstance(each, str)), None)
    return given if isinstance(given, str) else None


def _resolve(root: Json, reference: str) -> object:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found
