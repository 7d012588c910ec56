"""A tool's result as people read it."""

import json
from collections.abc import Mapping
from typing import cast

from hub.catalog.provider import Json
from hub.cli.output import clean


def to_text(result: Json) -> str:
    """The texts of the result in their order, other content by its kind and size; else the structured content."""
    content = cast("list[Json]", result.get("content") or [])
    blocks = [_block(block) for block in content]
    structured: object = result.get("structuredContent")
    if structured is not None and (not any(blocks) or (len(content) == 1 and _as_json(content[0]) == structured)):
        return clean(json.dumps(structured, ensure_ascii=False, indent=2))
    return "\n".join(blocks)


def code_of(result: Json) -> str | None:
    """The code of an error that a hub or its host made; None for a server's own result."""
    meta: object = result.get("_meta")
    code = cast("Mapping[str, object]", meta).get("hub/code") if isinstance(meta, dict) else None
    return code if isinstance(code, str) else None


def _as_json(block: Json) -> object:
    """The value of a block whose text is JSON: servers repeat their structured content so for older clients."""
    try:
        return json.loads(str(block.get("text", "")))
    except ValueError:
        return None


def _block(block: Json) -> str:
    match block.get("type"):
        case "text":
            return clean(str(block.get("text", "")))
        case "resource_link":
            return f"[{clean(str(block.get('name') or 'resource'))}: {clean(str(block.get('uri')))}]"
        case "resource":
            inner = cast("Json", block.get("resource") or {})
            if "text" in inner:
                return clean(str(inner["text"]))
            return f"[{clean(str(inner.get('uri')))}: {_size(inner.get('blob'))}]"
        case kind:
            return f"[{clean(str(kind))} {clean(str(block.get('mimeType') or ''))}: {_size(block.get('data'))}]"


def _size(data: object) -> str:
    """About how many bytes stand in base64."""
    return f"{len(data) * 3 // 4} bytes" if isinstance(data, str) else "empty"
