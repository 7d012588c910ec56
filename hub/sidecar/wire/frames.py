"""HTTP/2's frames (RFC 9113, sections 4 and 6): bytes to frames and back."""

import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final, TypeAlias

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
HAS_PRIORITY: Final = 0x20

HEADER_TABLE_SIZE: Final = 0x1
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW: Final = 65_535
DEFAULT_FRAME_SIZE: Final = 16_384
DEFAULT_TABLE_SIZE: Final = 4_096
LARGEST_FRAME_SIZE: Final = 2**24 - 1
LARGEST_WINDOW: Final = 2**31 - 1
PING_BYTES: Final = 8

_HEAD: Final = struct.Struct(">BHBBL")
_NUMBER: Final = struct.Struct(">L")
_HEAD_SIZE: Final = 9

Frame: TypeAlias = tuple[int, int, int, bytes]
"""Kind, flags, stream, payload."""


class ErrorCode(IntEnum):
    """RFC 9113, section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class Http2Error(Exception):
    """The peer broke the protocol; the connection ends with this code."""

    def __init__(self, code: ErrorCode, why: str) -> None:
        super().__init__(why)
        self.code = code


def pack_frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """One frame; `payload` is at most as large as the peer allows."""
    size = len(payload)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def pack_settings(settings: Mapping[int, int]) -> bytes:
    """A SETTINGS frame."""
    return pack_frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", name, value) for name, value in settings.items()))


def pack_number(kind: int, stream: int, number: int) -> bytes:
    """A WINDOW_UPDATE or RST_STREAM frame."""
    return pack_frame(kind, 0, stream, _NUMBER.pack(number))


def pack_goaway(last_stream: int, code: ErrorCode, why: str = "") -> bytes:
    return pack_frame(GOAWAY, 0, 0, struct.pack(">LL", last_stream, code) + why.encode())


def read_number(payload: bytes) -> int:
    """The 31 bits that a WINDOW_UPDATE or RST_STREAM frame holds.

    Raises:
        Http2Error: it holds something else.
    """
    if len(payload) != _NUMBER.size:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame of one number must have four bytes")
    return int(_NUMBER.unpack(payload)[0]) & LARGEST_WINDOW


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Names and values of a SETTINGS frame.

    Raises:
        Http2Error: it is cut off.
    """
    if len(payload) % 6:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "settings must have six bytes each")
    return struct.iter_unpack(">HL", payload)


def strip_padding(flags: int, payload: bytes) -> bytes:
    """What a DATA or HEADERS frame holds, without its padding and its priority.

    Raises:
        Http2Error: there is more padding than frame.
    """
    if not flags & (PADDED | HAS_PRIORITY):
        return payload
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - (payload[0] if payload else end)
    if flags & HAS_PRIORITY:
        start += 5
    if start > end:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a frame has more padding than bytes")
    return payload[start:end]


class FrameReader:
    """Cuts what a client sends into frames."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_preface = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now.

        Raises:
            Http2Error: this is not HTTP/2, or a frame is larger than this side allows.
        """
        if self._rest:
            data = self._rest + data
        size, at = len(data), 0
        if not self._has_preface:
            if data[: len(PREFACE)] != PREFACE[:size]:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "gRPC over HTTP/2 without TLS is spoken here")
            at = len(PREFACE) if size >= len(PREFACE) else 0
            self._has_preface = at > 0
        if self._has_preface:
            while size - at >= _HEAD_SIZE:
                high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
                length = high << 16 | low
                if length > DEFAULT_FRAME_SIZE:
                    raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"a frame has at most {DEFAULT_FRAME_SIZE} bytes")
                end = at + _HEAD_SIZE + length
                if end > size:
                    break
                yield kind, flags, stream & LARGEST_WINDOW, data[at + _HEAD_SIZE : end]
                at = end
        self._rest = data[at:]
