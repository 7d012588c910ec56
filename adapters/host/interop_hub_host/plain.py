"""Turns what frameworks return into plain JSON values."""

import dataclasses
import datetime as dt
import enum
import json
import math
from collections.abc import Mapping, Sequence, Set
from typing import Any, cast


def to_plain(value: Any) -> Any:
    """Give the JSON form of a value: models and dataclasses as objects, what JSON cannot hold as text or null."""
    if value is None or isinstance(value, (bool, str, int)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, enum.Enum):
        return to_plain(value.value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return to_plain(dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (Sequence, Set)) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [to_plain(item) for item in cast("Sequence[Any]", value)]
    return str(cast("object", value))


def as_object(value: Any) -> dict[str, Any]:
    """Give a JSON object, an empty one in place of anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def to_text(value: Any) -> str:
    """Give the text block that stands beside a structured result."""
    return value if isinstance(value, str) else json.dumps(to_plain(value), ensure_ascii=False)
