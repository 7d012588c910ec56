"""HTTP/2 as clients of other making speak it."""

import asyncio
import contextlib
import socket
import struct

import anyio
import anyio.lowlevel
import pytest
from h2.settings import SettingCodes
from hpack import Encoder, NeverIndexedHeaderTuple

from hub.sidecar.wire import frames
from hub.sidecar.wire.frames import pack_frame, pack_number
from tests.wire.h2_client import HELLO, body, h2_client, head, say, split
from tests.wire.serving import opened


async def test_each_frame_of_an_answer_is_as_it_should_be() -> None:
    async with opened() as (_, port), h2_client(port) as client:
        streams = [await client.call("Echo", body(f"text {number}")) for number in range(20)]
        answers = [await client.answer(stream) for stream in streams]
    assert answers == [(f"text {number}", "0") for number in range(20)]
    first, last = client.headers[streams[0]]
    assert (first[":status"], first["content-type"], last) == ("200", "application/grpc", {"grpc-status": "0"})


async def test_an_answer_goes_byte_by_byte_through_a_window_of_one() -> None:
    async with opened() as (_, port), h2_client(port, window=1) as client:
        stream = await client.call("Echo", body("a text that takes its time"))
        assert await client.answer(stream) == ("a text that takes its time", "0")


async def test_a_window_that_is_changed_counts_for_open_calls() -> None:
    async with opened() as (_, port), h2_client(port, window=100) as client:
        stream = await client.call("Count", body("3 1000"))
        await client.read_until(lambda: len(client.data.get(stream, b"")) == 100, credit=False)
        client.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 50})
        await client.flush()
        client.http2.ping(b"12345678")
        await client.flush()
        await client.read_until(lambda: bool(client.pings), credit=False)
        assert len(client.data[stream]) == 100
        client.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 60_000})
        await client.flush()
        assert await client.answer(stream, credit=False) == ("0" * 1000 + "1" * 1000 + "2" * 1000, "0")


async def test_a_client_that_wants_no_table_gets_none() -> None:
    async with opened() as (_, port), h2_client(port) as client:
        client.http2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 0})
        for text in ("one", "two"):
            assert await client.answer(await client.call("Echo", body(text))) == (text, "0")


async def test_padding_is_no_part_of_a_message() -> None:
    async with opened() as (_, port), h2_client(port) as client:
        stream = await client.call("Echo", body("padded"), pad_length=200)
        assert await client.answer(stream) == ("padded", "0")


async def test_headers_that_go_on_in_further_frames_are_read() -> None:
    async with opened() as (_, port), h2_client(port) as client:
        stream = await client.call("Echo", body("long "), ("long", "x" * 30_000), ("kind-bin", "aGVhZA"))
        assert await client.answer(stream) == ("long head", "0")


async def test_a_call_that_fails_before_it_is_said_is_ended_on_both_sides() -> None:
    async with opened() as (_, port), h2_client(port) as client:
        client.http2.send_headers(1, head("Fly"))
        await client.flush()
        await client.read_until(lambda: 1 in client.resets)
        assert (client.headers[1][-1]["grpc-status"], client.resets[1]) == ("12", 0)
        assert await client.answer(await client.call("Echo", body("on"))) == ("on", "0")


async def test_trailers_of_the_client_end_its_half() -> None:
    async with opened() as (_, port), h2_client(port) as client:
        client.http2.send_headers(1, head("Echo"))
        client.http2.send_data(1, body("with trailers"))
        client.http2.send_headers(1, [("and", "this")], end_stream=True)
        await client.flush()
        assert await client.answer(1) == ("with trailers", "0")


async def test_a_call_without_a_message_is_refused() -> None:
    async with opened() as (_, port), h2_client(port) as client:
        assert await client.answer(await client.call("Echo", b"")) == ("", "13")
        assert await client.answer(await client.call("Echo", body("cut off")[:-1])) == ("", "13")
        client.http2.send_headers(5, head("Echo"), end_stream=True)
        await client.flush()
        assert await client.answer(5) == ("", "13")


async def test_what_is_no_call_of_grpc_is_told_so() -> None:
    async with opened() as (methods, port), h2_client(port) as client:
        client.http2.send_headers(1, [(":method", "GET"), *head("Echo")[1:]], end_stream=True)
        await client.flush()
        await client.read_until(lambda: 1 in client.ended)
        assert client.headers[1] == [{":status": "415"}]
    assert methods.seen == []


@pytest.mark.parametrize(("encoding", "status"), [("zstd", "12"), ("gzip", "13")])
async def test_a_compressed_message_that_cannot_be_read_is_refused(encoding: str, status: str) -> None:
    compressed = b"\1" + body("not compressed at all")[1:]
    async with opened() as (methods, port), h2_client(port) as client:
        for name in ("Echo", "Shout"):
            stream = await client.call(name, compressed, ("grpc-encoding", encoding))
            assert await client.answer(stream) == ("", status)
    assert methods.seen == []


async def test_a_call_of_two_messages_where_one_is_wanted_is_refused() -> None:
    async with opened() as (methods, port), h2_client(port) as client:
        assert await client.answer(await client.call("Echo", body("one") + body("two"))) == ("", "13")
    assert methods.seen == []


async def test_answers_that_nobody_lets_go_count_for_the_limit_of_calls() -> None:
    calls = b"".join(call_frames("Echo", stream) for stream in range(1, 40, 2))
    no_window = pack_frame(frames.SETTINGS, 0, 0, struct.pack(">HL", frames.INITIAL_WINDOW_SIZE, 0))
    async with opened(max_calls=10) as (methods, port):
        answers = await say(port, HELLO + no_window + calls)
    refused = [stream for kind, _, stream, payload in answers if (kind, payload) == (frames.RST_STREAM, b"\0\0\0\7")]
    assert (len(methods.seen), refused) == (10, list(range(21, 40, 2)))


async def test_bytes_that_the_kernel_holds_reach_who_reads_them_later() -> None:
    """Though the client speaks on: a socket that is closed with something unread takes back what it sent."""
    window = struct.pack(">HL", frames.INITIAL_WINDOW_SIZE, 2**24)
    said = HELLO + pack_frame(frames.SETTINGS, 0, 0, window) + pack_number(frames.WINDOW_UPDATE, 0, 2**24)
    async with contextlib.AsyncExitStack() as servers:
        methods, port = await servers.enter_async_context(opened())
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, ("127.0.0.1", port))
        await loop.sock_sendall(slow, said + call_frames("Repeat", 1, "10000") + call_frames("Count", 3, "3 100000"))
        with anyio.fail_after(5):
            while len(methods.seen) < 4:
                await anyio.lowlevel.checkpoint()
            stopping = asyncio.ensure_future(servers.aclose())
            received = bytearray()
            while part := await loop.sock_recv(slow, 16_384):
                received += part
                await loop.sock_sendall(slow, pack_number(frames.WINDOW_UPDATE, 0, len(part)))
            slow.close()
            await stopping
    assert [kind for kind, flags, stream, _ in split(bytes(received)) if stream == 3 and flags & 1] == [frames.HEADERS]
    assert sum(len(data) for kind, _, _, data in split(bytes(received)) if kind == frames.DATA) > 310_000


async def test_calls_beyond_the_limit_are_refused_and_may_be_tried_again() -> None:
    async with opened(max_calls=1) as (_, port):
        answers = await say(port, HELLO + call_frames("Wait", 1) + call_frames("Wait", 3))
    assert [answer for answer in answers if answer[0] == frames.RST_STREAM] == [(frames.RST_STREAM, 0, 3, b"\0\0\0\7")]


def call_frames(name: str, stream: int, text: str = "raw") -> bytes:
    block = Encoder().encode([NeverIndexedHeaderTuple(*field) for field in head(name)])
    return pack_frame(frames.HEADERS, frames.END_HEADERS, stream, block) + pack_frame(
        frames.DATA, frames.END_STREAM, stream, body(text)
    )


async def test_frames_that_mean_nothing_here_are_passed_over() -> None:
    odd = (
        pack_frame(frames.PRIORITY, 0, 9, bytes(5))
        + pack_frame(0xEE, 0xFF, 7, b"whatever")
        + pack_frame(frames.WINDOW_UPDATE, 0, 99, b"\0\0\0\1")
        + pack_frame(frames.SETTINGS, 0, 0, b"\x77\x77\0\0\0\1")
    )
    async with opened() as (methods, port):
        answers = await say(port, HELLO + odd + call_frames("Echo", 1))
    assert methods.seen == ["raw"]
    assert frames.GOAWAY not in [kind for kind, *_ in answers]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_bytes_may_come_in_pieces_of_any_size(size: int) -> None:
    said = HELLO + call_frames("Echo", 1) + call_frames("Echo", 3)
    async with opened() as (methods, port):
        await say(port, said, pieces=[size] * (len(said) // size))
    assert methods.seen == ["raw", "raw"]


async def test_a_client_without_a_sign_of_life_is_cut_off_and_others_are_not() -> None:
    async with opened(keepalive_s=0.2) as (methods, port), h2_client(port) as lively:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO + call_frames("Wait", 1))
        with anyio.fail_after(5):
            await methods.going_on.wait()
            reading = asyncio.ensure_future(lively.read_until(lambda: False))
            while await reader.read(1000):
                pass
            await methods.ended.wait()
        reading.cancel()
        await asyncio.wait([reading])
        writer.close()
        assert await lively.answer(await lively.call("Echo", body("here"))) == ("here", "0")


async def test_a_client_that_asks_and_never_reads_is_cut_off() -> None:
    pings = pack_frame(frames.PING, 0, 0, bytes(8)) * 10_000

    async def ask_on(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(pings)
            await writer.drain()

    async with opened() as (_, port), h2_client(port) as other:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(HELLO)
        with anyio.fail_after(20), pytest.raises(ConnectionError):
            await ask_on(writer)
        writer.close()
        assert await other.answer(await other.call("Echo", body("here"))) == ("here", "0")
