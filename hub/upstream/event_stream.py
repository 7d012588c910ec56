"""Reading `text/event-stream`.

Source: WHATWG HTML, section 9.2.6, interpreting an event stream.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.errors import TooLargeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; `id` is the last one seen on the stream, `retry_ms` what the server asked for so far."""

    name: str
    data: bytes
    id: str | None
    retry_ms: int | None


class EventReader:
    """Takes the bytes of one stream, gives its events."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._tail = bytearray()
        self._after_return = False
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self.last_id: str | None = None
        self.retry_ms: int | None = None

    def restart(self) -> None:
        """Forget the half of an event that a broken stream left; what comes next is a new stream."""
        self._tail.clear()
        self._after_return = False
        self._lines.clear()
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Take what arrived and give the events it completes.

        Raises:
            TooLargeError: one event grew over the limit.
        """
        for line in self._split(chunk):
            if line:
                self._size_bytes += len(line)
                self._guard(0)
                self._lines.append(line)
            elif self._lines:
                event = self._dispatch()
                if event is not None:
                    yield event
        self._guard(len(self._tail))

    def _guard(self, more: int) -> None:
        if self._size_bytes + more > self._limit_bytes:
            raise TooLargeError(f"the server sent a message of more than {self._limit_bytes} bytes")

    def _split(self, chunk: bytes) -> Iterator[bytes]:
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in chunk:
            self._tail += chunk
            return
        first, *rest = chunk.split(b"\n")
        self._tail += first
        yield bytes(self._tail)
        self._tail = bytearray(rest.pop())
        yield from rest

    def _dispatch(self) -> Event | None:
        name, data = "message", list[bytes]()
        seen_id = False
        for line in self._lines:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value.decode("utf-8", "replace")
            elif field == b"id" and b"\0" not in value:
                self.last_id = value.decode("utf-8", "replace")
                seen_id = True
            elif field == b"retry" and value.isdigit() and len(value) < 10:
                self.retry_ms = int(value)
        self._lines.clear()
        self._size_bytes = 0
        if not data and not seen_id:
            return None
        return Event(name=name, data=b"\n".join(data), id=self.last_id, retry_ms=self.retry_ms)
