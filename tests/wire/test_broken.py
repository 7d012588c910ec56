"""Clients that break HTTP/2: each is told what it did, and harms nobody."""

import struct

import pytest
from hpack import Encoder

from hub.sidecar.wire import frames
from hub.sidecar.wire.frames import PREFACE, ErrorCode, pack_frame
from tests.wire.h2_client import HELLO, body, h2_client, head, say
from tests.wire.serving import opened

BLOCK = Encoder().encode(head("Echo"))
OPEN = pack_frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK)
BOMB = Encoder().encode([("x", "y" * 4000)]) + b"\xbe" * 12_000

BROKEN = {
    "another protocol": (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", ErrorCode.PROTOCOL_ERROR),
    "no settings": (PREFACE + OPEN, ErrorCode.PROTOCOL_ERROR),
    "a frame that is too large": (HELLO + pack_frame(9, 0, 1, bytes(16_385)), ErrorCode.FRAME_SIZE_ERROR),
    "an even stream": (HELLO + pack_frame(frames.HEADERS, frames.END_HEADERS, 2, BLOCK), ErrorCode.PROTOCOL_ERROR),
    "headers of no stream": (HELLO + pack_frame(frames.HEADERS, 4, 0, BLOCK), ErrorCode.PROTOCOL_ERROR),
    "settings of a stream": (HELLO + pack_frame(frames.SETTINGS, 0, 1), ErrorCode.PROTOCOL_ERROR),
    "settings that are cut off": (HELLO + pack_frame(frames.SETTINGS, 0, 0, b"12345"), ErrorCode.FRAME_SIZE_ERROR),
    "an answer to settings with settings": (
        HELLO + pack_frame(frames.SETTINGS, frames.ACK, 0, bytes(6)),
        ErrorCode.FRAME_SIZE_ERROR,
    ),
    "frames that may be too small": (
        HELLO + pack_frame(frames.SETTINGS, 0, 0, struct.pack(">HL", frames.MAX_FRAME_SIZE, 10)),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "a first window that is too large": (
        HELLO + pack_frame(frames.SETTINGS, 0, 0, struct.pack(">HL", frames.INITIAL_WINDOW_SIZE, 2**31)),
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "a window that grows too large": (
        HELLO + pack_frame(frames.WINDOW_UPDATE, 0, 0, struct.pack(">L", 2**31 - 1)),
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "a window that grows by nothing": (
        HELLO + pack_frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "a ping of another size": (HELLO + pack_frame(frames.PING, 0, 0, b"123"), ErrorCode.FRAME_SIZE_ERROR),
    "a reset of another size": (HELLO + OPEN + pack_frame(frames.RST_STREAM, 0, 1), ErrorCode.FRAME_SIZE_ERROR),
    "a reset of a stream to come": (HELLO + pack_frame(frames.RST_STREAM, 0, 9, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "data of a stream to come": (HELLO + pack_frame(frames.DATA, 0, 9, b"x"), ErrorCode.PROTOCOL_ERROR),
    "more padding than bytes": (
        HELLO + OPEN + pack_frame(frames.DATA, frames.PADDED, 1, b"\xffx"),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "data after the end": (
        HELLO
        + pack_frame(frames.HEADERS, frames.END_HEADERS, 1, Encoder().encode(head("Wait")))
        + pack_frame(frames.DATA, frames.END_STREAM, 1, body(""))
        + pack_frame(frames.DATA, 0, 1, b"x"),
        ErrorCode.STREAM_CLOSED,
    ),
    "a second head": (HELLO + OPEN + OPEN, ErrorCode.PROTOCOL_ERROR),
    "a frame between the pieces of a head": (
        HELLO + pack_frame(frames.HEADERS, 0, 1, BLOCK) + pack_frame(frames.PING, 0, 0, bytes(8)),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "a piece of no head": (HELLO + pack_frame(frames.CONTINUATION, 0, 1, b""), ErrorCode.PROTOCOL_ERROR),
    "a piece of another head": (
        HELLO + pack_frame(frames.HEADERS, 0, 1, BLOCK) + pack_frame(frames.CONTINUATION, 0, 3, BLOCK),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "empty pieces of a head": (
        HELLO + pack_frame(frames.HEADERS, 0, 1, BLOCK) + pack_frame(frames.CONTINUATION, 0, 1),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "a head without end": (
        HELLO + pack_frame(frames.HEADERS, 0, 1, BLOCK) + pack_frame(frames.CONTINUATION, 0, 1, bytes(16_384)) * 65,
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "a small head that says much": (
        HELLO + pack_frame(frames.HEADERS, frames.END_HEADERS, 1, BOMB),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "headers that cannot be decoded": (
        HELLO + pack_frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
        ErrorCode.COMPRESSION_ERROR,
    ),
    "a push": (HELLO + pack_frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "more data than the window lets through": (
        HELLO
        + OPEN
        + pack_frame(frames.DATA, 0, 1, body("one that nobody has read yet") + struct.pack(">BL", 0, 2**23))
        + pack_frame(frames.DATA, 0, 1, bytes(16_384)) * 70,
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_client_that_breaks_the_protocol_is_told_and_cut_off(name: str) -> None:
    said, code = BROKEN[name]
    async with opened() as (methods, port), h2_client(port) as other:
        answers = await say(port, said)
        goaways = [struct.unpack_from(">LL", payload)[1] for kind, _, _, payload in answers if kind == frames.GOAWAY]
        assert goaways == [code]
        assert await other.answer(await other.call("Echo", body("unharmed"))) == ("unharmed", "0")
    assert methods.seen == ["unharmed"]
