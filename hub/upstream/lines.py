"""Cutting a stream of bytes into lines that are never longer than a limit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ID_IN_HEAD = re.compile(rb'^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*[,}]')
_ID_IN_TAIL = re.compile(rb'"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')
_TAIL_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversized:
    """A line that was thrown away because it was over the limit."""

    request_id: int | None
    """Which request it would have answered, where that can be seen at one of its ends."""


class LineReader:
    """Takes the bytes of one stream, gives its lines."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._discarding = False
        self._told = False
        self._tail = b""

    @property
    def held_bytes(self) -> int:
        """How much of a line that has not ended is there."""
        return self._size_bytes

    def feed(self, chunk: bytes) -> Iterator[bytes | Oversized]:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            yield from self._end_line(chunk[start:end])
            start = end + 1
        if start < len(chunk):
            yield from self._grow(chunk[start:] if start else chunk)

    def _end_line(self, rest: bytes) -> Iterator[bytes | Oversized]:
        if not self._parts and not self._discarding and len(rest) <= self._limit_bytes:
            yield rest
            return
        yield from self._grow(rest)
        if self._discarding:
            if not self._told:
                match = _ID_IN_TAIL.search(self._tail)
                yield Oversized(request_id=int(match[1]) if match else None)
        else:
            yield b"".join(self._parts)
        self._parts.clear()
        self._size_bytes = 0
        self._discarding = self._told = False
        self._tail = b""

    def _grow(self, part: bytes) -> Iterator[Oversized]:
        self._size_bytes += len(part)
        if self._discarding:
            self._tail = (self._tail + part[-_TAIL_BYTES:])[-_TAIL_BYTES:]
            if self._size_bytes > 4 * self._limit_bytes and not self._told:
                self._told = True
                yield Oversized(request_id=None)
            return
        self._parts.append(part)
        if self._size_bytes <= self._limit_bytes:
            return
        self._discarding = True
        whole = b"".join(self._parts)
        self._parts.clear()
        self._tail = whole[-_TAIL_BYTES:]
        if match := _ID_IN_HEAD.match(whole[:512]):
            self._told = True
            yield Oversized(request_id=int(match[1]))
