"""What a connection sends: frames at once, messages as far as the peer's windows reach (RFC 9113, section 5.2)."""

import asyncio
from collections import deque
from typing import Final

from .frames import (
    DATA,
    DEFAULT_FRAME_SIZE,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LARGEST_WINDOW,
    RST_STREAM,
    ErrorCode,
    Http2Error,
    pack_frame,
    pack_number,
)

FLUSH_BYTES: Final = 256 * 1024
HIGH_WATER_BYTES: Final = 1024 * 1024
"""Beyond this no message is sent until the peer has read."""
MAX_UNREAD_BYTES: Final = 4 * HIGH_WATER_BYTES
"""A peer that asks and does not read is cut off here."""


class Outbox:
    """The sending half of a connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []
        self._size = 0
        self._is_held = self._is_closed = False
        self._window = DEFAULT_WINDOW
        self._first_window = DEFAULT_WINDOW
        self._streams: dict[int, OutStream] = {}
        self._waiting: dict[int, OutStream] = {}
        """Those with something that the peer has not let go yet."""
        self.max_frame_size = DEFAULT_FRAME_SIZE
        self.block_prefix = b""
        """Goes before the next header block."""

    @property
    def stream_count(self) -> int:
        """Streams whose end is not sent."""
        return len(self._streams)

    @property
    def is_waiting(self) -> bool:
        """Whether the peer has not let everything go."""
        return bool(self._waiting)

    def end(self) -> None:
        """Send what there is, and nothing after it."""
        self.flush()
        self._is_closed = True
        try:
            if not self._transport.is_closing():
                self._transport.write_eof()
        except OSError:  # it is gone
            self._transport.abort()

    def send(self, frame: bytes) -> None:
        """Send a frame with whatever else this turn of the event loop sends."""
        if not self._frames:
            self._loop.call_soon(self.flush)
        self._frames.append(frame)
        self._size += len(frame)
        if self._size > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        if not self._frames:
            return
        data, self._frames, self._size = b"".join(self._frames), [], 0
        if self._is_closed or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._is_held and self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._loop.call_soon(self._transport.abort)

    def open(self, stream: int) -> "OutStream":
        opened = self._streams[stream] = OutStream(self, stream, self._first_window)
        return opened

    def close(self, stream: int) -> None:
        """Forget a stream, and what it has not sent."""
        closed = self._streams.pop(stream, None)
        self._waiting.pop(stream, None)
        if closed is not None:
            closed.pending.clear()
            closed.wake()

    def hold(self) -> None:
        """The peer does not read what it has."""
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        self.resume()

    def widen(self, stream: int, increment: int) -> None:
        """The peer takes more, on a stream or (0) in all.

        Raises:
            Http2Error: more than a window may be.
        """
        if increment == 0:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a window grows by at least 1")
        if stream == 0:
            self._window = _checked(self._window + increment)
            self.resume()
            return
        widened = self._streams.get(stream)
        if widened is not None:
            widened.window = _checked(widened.window + increment)
            self.pump(widened)

    def set_first_window(self, size: int) -> None:
        """The peer changes the window that each stream begins with, open ones too (section 6.9.2).

        It counts once the change is acknowledged: `resume` then.
        """
        change, self._first_window = size - self._first_window, _checked(size)
        for stream in self._streams.values():
            stream.window = _checked(stream.window + change)

    def resume(self) -> None:
        """Send what waits, as far as it goes."""
        for stream in list(self._waiting.values()):
            if self._window <= 0 or self._is_held:
                return  # what waits begins with data
            if stream.window > 0:
                self.pump(stream)

    def pump(self, stream: "OutStream") -> None:
        """Send what a stream has waiting, as far as it goes."""
        pending = stream.pending
        while pending:
            block, flags, data = pending[0]
            if block:
                pending.popleft()
                self._send_block(stream, flags, data)
                continue
            room = min(len(data), self._window, stream.window, self.max_frame_size, FLUSH_BYTES)
            if room <= 0 or self._is_held:
                self._waiting[stream.id] = stream
                return
            self._window -= room
            stream.window -= room
            if room == len(data):
                pending.popleft()
            else:
                pending[0] = (False, flags, data[room:])
            self.send(pack_frame(DATA, flags, stream.id, data[:room]))
        self._waiting.pop(stream.id, None)
        stream.wake()

    def _send_block(self, stream: "OutStream", flags: int, data: memoryview) -> None:
        block, self.block_prefix = self.block_prefix + data, b""
        self.send(pack_frame(HEADERS, END_HEADERS | flags, stream.id, block))
        if flags & END_STREAM:
            del self._streams[stream.id]
            if stream.resets:
                self.send(pack_number(RST_STREAM, stream.id, ErrorCode.NO_ERROR))


class OutStream:
    """The sending half of a call."""

    __slots__ = ("_drained", "_outbox", "id", "pending", "resets", "window")

    def __init__(self, outbox: Outbox, stream: int, window: int) -> None:
        self._outbox = outbox
        self._drained: asyncio.Future[None] | None = None
        self.id = stream
        self.window = window
        self.resets = False
        self.pending: deque[tuple[bool, int, memoryview]] = deque()
        """Header blocks (True) and data, with their flags."""

    def send_headers(self, block: bytes) -> None:
        self._add(True, 0, block)

    def send_data(self, data: bytes) -> None:
        self._add(False, 0, data)

    def end(self, block: bytes, *, resets: bool) -> None:
        """Send the last headers.

        Args:
            resets: tell the client to stop as well: it is not done, and nobody listens.
        """
        self.resets = resets
        self._add(True, END_STREAM, block)

    async def drained(self) -> None:
        """Wait until the peer has let everything go."""
        while self.pending:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _add(self, is_block: bool, flags: int, data: bytes) -> None:
        self.pending.append((is_block, flags, memoryview(data)))
        if len(self.pending) == 1:
            self._outbox.pump(self)


def _checked(window: int) -> int:
    if window > LARGEST_WINDOW:
        raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is larger than it may be")
    return window
