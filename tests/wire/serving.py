"""A server with a few methods, for clients of different making."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue

from hub.sidecar.errors import NotFoundError
from hub.sidecar.rpc import Routes, both_streams, long_poll, server_stream, unary
from hub.sidecar.wire import Call, Limits, WireServer

SERVICE = "test.Wire"
LIMITS = Limits(max_message_bytes=2**24, keepalive_s=60.0)


@dataclass(kw_only=True)
class Methods:
    """What they saw."""

    seen: list[str] = field(default_factory=list[str])
    going_on: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def echo(self, request: StringValue, call: Call) -> StringValue:
        self.seen.append(request.value)
        kind = call.metadata.get("kind-bin", b"")
        return StringValue(value=request.value + (kind.decode() if isinstance(kind, bytes) else kind))

    async def repeat(self, request: StringValue, _call: Call) -> StringValue:
        """Answer a number with as many letters."""
        self.seen.append(request.value)
        return StringValue(value="x" * int(request.value))

    async def fail(self, request: StringValue, _call: Call) -> StringValue:
        raise NotFoundError(request.value)

    async def break_down(self, request: StringValue, _call: Call) -> StringValue:
        raise RuntimeError(request.value)

    async def wait(self, request: StringValue, _call: Call) -> StringValue:
        self.going_on.set()
        try:
            await self.may_end.wait()
        finally:
            self.ended.set()
        self.seen.append(request.value)
        return request

    async def count(self, request: StringValue, call: Call) -> None:
        """Answer "n size" with n messages of that size."""
        asked = re.fullmatch(r"([0-9]{1,3}) ([0-9]{1,6})", request.value)
        if asked is None:
            raise NotFoundError("two numbers were expected")
        try:
            for index in range(int(asked[1])):
                self.seen.append(str(index))
                await call.write(StringValue(value=str(index % 10) * int(asked[2])))
        finally:
            self.ended.set()

    async def shout(self, requests: AsyncIterator[StringValue], call: Call) -> None:
        async for request in requests:
            await call.write(StringValue(value=request.value.upper()))


@contextlib.asynccontextmanager
async def opened(
    token: str | None = None, *, grace_s: float = 0.2, **limits: Any
) -> AsyncGenerator[tuple[Methods, int]]:
    """The methods, and the port that they answer on."""
    methods = Methods()
    table = {
        "Echo": unary(methods.echo, StringValue),
        "Repeat": unary(methods.repeat, StringValue),
        "Fail": unary(methods.fail, StringValue),
        "Break": unary(methods.break_down, StringValue),
        "Finish": unary(methods.wait, StringValue),
        "Wait": long_poll(methods.wait, StringValue),
        "Count": server_stream(methods.count, StringValue),
        "Shout": both_streams(methods.shout, StringValue),
    }
    server = WireServer(Routes({SERVICE: table}, token).find, replace(LIMITS, **limits))
    port = await server.start("127.0.0.1", 0)
    try:
        yield methods, port
    finally:
        await server.stop(grace_s)


@contextlib.asynccontextmanager
async def channel(port: int, **options: Any) -> AsyncGenerator[grpc.aio.Channel]:
    """gRPC's own client."""
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=unlimited, **options) as made:
        yield made


def method(client: grpc.aio.Channel, name: str, kind: str = "unary_unary") -> Any:
    """A method of the client's, of strings."""
    return getattr(client, kind)(
        f"/{SERVICE}/{name}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )


async def call(client: grpc.aio.Channel, name: str, text: str, **options: Any) -> str:
    """Call a method with a string; returns its answer."""
    answer: StringValue = await method(client, name)(StringValue(value=text), **options)
    return answer.value
