"""Messages of a conversation as plain JSON, in the form of pydantic-ai's `ModelMessage`.

A run's history and the memory hold nothing but this JSON, so the code that is replayed needs no model library.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from hub.agents.signatures import Json

Message = Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """One call that the model asks for."""

    id: str
    name: str
    arguments: Json | None
    """None: the model wrote something that is no JSON object."""


def user(text: str, *, instructions: str | None = None) -> Message:
    """What a person, or the program, says."""
    return request([{"part_kind": "user-prompt", "content": text}], instructions)


def request(parts: Sequence[Json], instructions: str | None = None) -> Message:
    message: Message = {"kind": "request", "parts": list(parts)}
    if instructions:
        message["instructions"] = instructions
    return message


def reply(text: str) -> Message:
    """What the model said, from outside of this conversation."""
    return {"kind": "response", "parts": [{"part_kind": "text", "content": text}]}


def tool_return(call: ToolRequest, content: object, *, failed: bool = False) -> Json:
    """What a tool answered, as a part of a request."""
    return {
        "part_kind": "tool-return",
        "tool_name": call.name,
        "tool_call_id": call.id,
        "content": content,
        "outcome": "failed" if failed else "success",
    }


def text_of(message: Message) -> str:
    """All text of a message."""
    parts = cast("list[Json]", message.get("parts", []))
    texts = [part.get("content") for part in parts if part.get("part_kind") in ("text", "user-prompt")]
    return "\n".join(text for text in texts if isinstance(text, str))


def tool_requests(message: Message) -> list[ToolRequest]:
    """The calls that a response asks for, in its order."""
    return [
        ToolRequest(
            id=str(part.get("tool_call_id")), name=str(part.get("tool_name")), arguments=_object(part.get("args"))
        )
        for part in cast("list[Json]", message.get("parts", []))
        if part.get("part_kind") == "tool-call"
    ]


def _object(args: object) -> Json | None:
    if args is None or args == "":
        return {}
    if isinstance(args, str):
        try:
            args = json.loads(args)
        except ValueError:
            return None
    return cast("Json", args) if isinstance(args, dict) else None


def to_text(content: Any) -> str:
    """Any JSON as text for a model."""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
