"""Odd JSON: values nobody expects, changes to a message, and a writer that can say what `json` refuses to say."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, cast

HUGE = 120_000
DEEP = 3_000


class Verbatim:
    """JSON text that is written as it stands."""

    def __init__(self, text: str) -> None:
        self.text = text


class Pairs:
    """An object whose keys may come twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


_PLAIN: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**64, -(2**63) - 1, "", " ", "null", "0", "é", "日本",
    "\U0001f600", [], {}, [[]], [{}], {"": ""}, [None], {"a": {"b": {"c": []}}}, "../../etc/passwd", "%s%n", "{}",
    "\x00", "\x1b[31m", "\u202e", "2026-07-28", "2025-11-25", "1999-01-01", "tools/call", "local__echo", "__",
    "=?base64?", "=?base64?!!?=",
)  # fmt: skip
_VERBATIM = (
    "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1" * 400, "0" * 50 + "1", "1e-400", "-0", "-0.0", "1E+2",
    "01", "+1", ".5", "5.", r'"\ud800"', r'"\udfff\ud800"', r'"\ud83d"', r'"\u0000"', r'"\x41"', '"\t"', "'single'",
    "undefined", "True", "{,}", "[1,]", '{"a":1,}', "//comment\n1", "/**/1",
)  # fmt: skip


def odd_value(random: Random) -> Any:
    """Anything but what was expected."""
    choice = random.random()
    if choice < 0.6:
        return random.choice(_PLAIN)
    if choice < 0.85:
        return Verbatim(random.choice(_VERBATIM))
    if choice < 0.9:
        return "x" * random.randrange(1, HUGE)
    if choice < 0.94:
        return nested(random)
    if choice < 0.97:
        return [random.choice(_PLAIN) for _ in range(random.randrange(500))]
    return {f"k{number}": random.choice(_PLAIN) for number in range(random.randrange(500))}


def nested(random: Random) -> Verbatim:
    """Arrays or objects in one another, closed or not."""
    depth = random.randrange(10, DEEP)
    opening, closing = random.choice((("[", "]"), ('{"a":', "}"), ('[{"b":', "}]")))
    return Verbatim(opening * depth + "1" + closing * random.choice((depth, depth, depth - 1)))


def mutate(message: Any, random: Random) -> Any:
    """The message with one to three of its places changed."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        message = _change(message, random)
    return message


def _change(value: Any, random: Random) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.85:
        return _change_object(cast("dict[str, Any]", value), random)
    if isinstance(value, list) and value and random.random() < 0.7:
        items = list(cast("list[Any]", value))
        at = random.randrange(len(items))
        items[at] = _change(items[at], random)
        return items
    return odd_value(random)


def _change_object(value: dict[str, Any], random: Random) -> Any:
    key = random.choice(list(value))
    choice = random.random()
    if choice < 0.6:
        return {**value, key: _change(value[key], random)}
    if choice < 0.75:
        return {name: inner for name, inner in value.items() if name != key}
    if choice < 0.85:
        return Pairs([*value.items(), (key, odd_value(random))])
    if choice < 0.95:
        return {**value, random.choice(("", "extra", "_meta", "id", "result", "error", key.upper())): odd_value(random)}
    return {random.choice((key.upper(), key + " ", "\ufeff" + key)) if name == key else name: inner
            for name, inner in value.items()}  # fmt: skip


def write(value: Any) -> str:
    """The JSON text of a value that may hold `Verbatim` and `Pairs`."""
    if isinstance(value, Verbatim):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{write(inner)}" for key, inner in value.pairs) + "}"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return "{" + ",".join(f"{json.dumps(key)}:{write(inner)}" for key, inner in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(inner) for inner in cast("list[Any]", value)) + "]"
    return json.dumps(value)


def _truncated(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _with_flipped_bytes(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 20))):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _with_bytes_put_in(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    odd = random.choice((b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\x00", b"\xf8\x88\x80\x80\x80", b"\xef\xbb\xbf"))
    return data[:at] + odd + data[at:]


_TEXT_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _truncated,
    _with_flipped_bytes,
    _with_bytes_put_in,
    lambda data, random: b"\xef\xbb\xbf" + data,
    lambda data, random: data.decode("utf-8", "replace").encode(random.choice(("utf-16", "utf-32", "utf-16-le"))),
    lambda data, random: data + data,
    lambda data, random: data + random.choice((b"}", b"]", b" garbage", b"\x00")),
    lambda data, random: random.randbytes(random.randrange(1, 300)),
    lambda data, random: b" " * random.randrange(1, 5000) + data,
)


def spoil(data: bytes, random: Random) -> bytes:
    """The bytes of a message, changed without regard to JSON."""
    return random.choice(_TEXT_CHANGES)(data, random)
