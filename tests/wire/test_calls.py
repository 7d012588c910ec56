"""Calls of gRPC's own client."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import anyio
import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from tests.wire.serving import SERVICE, call, channel, method, opened


async def test_a_message_is_answered_by_one() -> None:
    async with opened() as (methods, port), channel(port) as client:
        assert await call(client, "Echo", "grüße", metadata=(("kind-bin", "ß".encode()),)) == "grüßeß"
    assert methods.seen == ["grüße"]


async def test_a_thousand_calls_at_once_are_each_answered() -> None:
    async with opened() as (_, port), channel(port) as client:
        answers = await asyncio.gather(*(call(client, "Echo", str(number)) for number in range(1000)))
    assert answers == [str(number) for number in range(1000)]


async def test_messages_larger_than_every_window_go_both_ways() -> None:
    text = "x" * (10 * 2**20)
    async with opened() as (_, port), channel(port) as client:
        assert await asyncio.gather(*(call(client, "Echo", text) for _ in range(3))) == [text] * 3


async def test_a_stream_waits_for_a_client_that_does_not_read() -> None:
    async with opened() as (methods, port), channel(port) as client:
        stream = method(client, "Count", "unary_stream")(StringValue(value="500 100000"))
        with anyio.fail_after(10):
            while True:
                seen = len(methods.seen)
                await anyio.sleep(0.1)
                if seen and len(methods.seen) == seen:
                    break
        answers = [message.value async for message in stream]
    assert seen < 500
    assert answers == [str(index % 10) * 100_000 for index in range(500)]


async def test_both_sides_may_stream() -> None:
    async def words() -> AsyncIterator[StringValue]:
        for word in ("one", "two", "three"):
            yield StringValue(value=word)

    async with opened() as (_, port), channel(port) as client:
        answers = [message.value async for message in method(client, "Shout", "stream_stream")(words())]
    assert answers == ["ONE", "TWO", "THREE"]


@pytest.mark.parametrize(
    ("name", "text", "code", "details"),
    [
        ("Fail", "50 % of «it»\nis not there", grpc.StatusCode.NOT_FOUND, "50 % of «it»\nis not there"),
        ("Break", "secret", grpc.StatusCode.INTERNAL, "the sidecar failed; the reason stands in its log"),
        (
            "Fly",
            "",
            grpc.StatusCode.UNIMPLEMENTED,
            "the embedded sidecar does not have Fly; point the SDK to a Dapr sidecar that does",
        ),
    ],
)
async def test_a_failure_has_its_status_and_its_words(
    name: str, text: str, code: grpc.StatusCode, details: str
) -> None:
    async with opened() as (_, port), channel(port) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(client, name, text)
        assert (caught.value.code(), caught.value.details()) == (code, details)
        assert await call(client, "Echo", "still here") == "still here"


async def test_a_service_that_is_not_there_is_named() -> None:
    async with opened() as (_, port), channel(port) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.unary_unary("/other.Service/Echo")(b"")
    assert caught.value.details() == "there is no service other.Service here"


async def test_a_long_reason_is_cut_so_that_clients_take_it() -> None:
    async with opened() as (_, port), channel(port) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(client, "Fail", "ü" * 100_000)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert (caught.value.details() or "").startswith("ü" * 900)


async def test_a_call_without_the_token_is_refused_before_its_message_is_there() -> None:
    async with opened(token="right") as (methods, port), channel(port) as client:
        for metadata in ((), (("dapr-api-token", "wrong"),)):
            stream = method(client, "Shout", "stream_stream")(metadata=metadata)
            assert (await stream.code(), await stream.details()) == (
                grpc.StatusCode.UNAUTHENTICATED,
                "the header dapr-api-token must hold the sidecar's token (DAPR_API_TOKEN)",
            )
        assert await call(client, "Echo", "hello", metadata=(("dapr-api-token", "right"),)) == "hello"
    assert methods.seen == ["hello"]


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_messages_are_read(compression: grpc.Compression) -> None:
    text = "again and " * 10_000
    async with opened() as (_, port), channel(port, compression=compression) as client:
        assert await call(client, "Echo", text) == text


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_that_is_too_large_is_refused_and_the_connection_goes_on(
    compression: grpc.Compression,
) -> None:
    async with opened(max_message_bytes=100_000) as (methods, port), channel(port, compression=compression) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(client, "Echo", "x" * 5_000_000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "vs. 100000" in (caught.value.details() or "")
        assert await call(client, "Echo", "small") == "small"
    assert methods.seen == ["small"]


async def test_bytes_that_are_no_message_are_refused() -> None:
    async with opened() as (_, port), channel(port) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.unary_unary(f"/{SERVICE}/Echo")(b"\xff\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "the message is no google.protobuf.StringValue"


async def test_a_deadline_ends_the_call_and_its_method() -> None:
    async with opened() as (methods, port), channel(port) as client:
        assert await call(client, "Echo", "connected") == "connected"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(client, "Wait", "", timeout=1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        with anyio.fail_after(5):
            await methods.ended.wait()
    assert methods.seen == ["connected"]


async def test_a_client_that_gives_up_ends_a_long_poll() -> None:
    async with opened() as (methods, port), channel(port) as client:
        waiting = asyncio.ensure_future(call(client, "Wait", ""))
        with anyio.fail_after(5):
            await methods.going_on.wait()
            waiting.cancel()
            await methods.ended.wait()
    assert methods.seen == []


async def test_what_a_client_told_is_done_though_it_is_gone() -> None:
    async with opened() as (methods, port):
        async with channel(port) as client:
            told = asyncio.ensure_future(call(client, "Finish", "told"))
            with anyio.fail_after(5):
                await methods.going_on.wait()
            told.cancel()
        methods.may_end.set()
        with anyio.fail_after(5):
            await methods.ended.wait()
    assert methods.seen == ["told"]


async def test_a_server_that_stops_says_so_to_who_still_waits() -> None:
    async with contextlib.AsyncExitStack() as clients, contextlib.AsyncExitStack() as servers:
        methods, port = await servers.enter_async_context(opened())
        client = await clients.enter_async_context(channel(port))
        waiting = asyncio.ensure_future(call(client, "Wait", ""))
        with anyio.fail_after(5):
            await methods.going_on.wait()
            await servers.aclose()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await waiting
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "the sidecar is stopping")
    assert methods.ended.is_set()


async def test_a_server_that_stops_sends_what_it_has_answered() -> None:
    async with contextlib.AsyncExitStack() as clients, contextlib.AsyncExitStack() as servers:
        methods, port = await servers.enter_async_context(opened(grace_s=10))
        client = await clients.enter_async_context(channel(port))
        waiting = [asyncio.ensure_future(call(client, "Repeat", "5000000")) for _ in range(10)]
        with anyio.fail_after(10):
            while len(methods.seen) < 10:  # noqa: ASYNC110 - it says nothing
                await asyncio.sleep(0)
            await servers.aclose()
            assert await asyncio.gather(*waiting) == ["x" * 5_000_000] * 10


async def test_nobody_is_left_connected_to_a_server_that_stopped() -> None:
    async def connect_and_wait(port: int) -> None:
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.read()
            writer.close()

    for turns in range(30):
        async with opened() as (_, port):
            connected = [asyncio.ensure_future(connect_and_wait(port)) for _ in range(3)]
            for _ in range(turns % 15):
                await asyncio.sleep(0)
        with anyio.fail_after(5):
            await asyncio.gather(*connected)


async def test_clients_that_are_gone_before_they_are_let_in_harm_nobody() -> None:
    trouble: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    async with opened() as (_, port), channel(port) as client:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by RST
        assert await call(client, "Echo", "here") == "here"
    assert trouble == []
