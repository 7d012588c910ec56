"""A client over `h2`, which checks each frame that it is sent; and bytes as they are."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import anyio
from google.protobuf.wrappers_pb2 import StringValue
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from hub.sidecar.wire.frames import PREFACE, Frame, pack_frame
from tests.wire.serving import SERVICE

SETTINGS_FRAME = pack_frame(4, 0, 0)
HELLO = PREFACE + SETTINGS_FRAME


def head(name: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/{SERVICE}/{name}"),
        (":authority", "here"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]


def body(text: str) -> bytes:
    message = StringValue(value=text).SerializeToString()
    return struct.pack(">BL", 0, len(message)) + message


class H2Client:
    """A connection with the protocol's state kept by `h2`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int) -> None:
        self._reader = reader
        self._writer = writer
        self.http2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.http2.local_settings = Settings(initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.http2.initiate_connection()
        self.headers: dict[int, list[dict[str, str]]] = {}
        self.data: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.pings: list[bytes] = []
        self.goaway: int | None = None

    async def flush(self) -> None:
        self._writer.write(self.http2.data_to_send())
        await self._writer.drain()

    async def call(self, name: str, data: bytes, *more: tuple[str, str], **sending: Any) -> int:
        """Send a whole call; returns its stream."""
        stream = self.http2.get_next_available_stream_id()
        self.http2.send_headers(stream, head(name, *more))
        self.http2.send_data(stream, data, end_stream=True, **sending)
        await self.flush()
        return stream

    async def read_until(self, is_there: Callable[[], bool], *, credit: bool = True) -> None:
        """Take what the server sends.

        Args:
            credit: let it send as much again.
        """
        with anyio.fail_after(10):
            while not is_there():
                received = await self._reader.read(65_536)
                assert received, "the server closed the connection"
                for event in self.http2.receive_data(received):
                    self._note(event, credit=credit)
                await self.flush()

    async def answer(self, stream: int, *, credit: bool = True) -> tuple[str, str]:
        """The texts of a call's messages, and how it ended."""
        await self.read_until(lambda: stream in self.ended, credit=credit)
        return self.text(stream), self.headers[stream][-1]["grpc-status"]

    def text(self, stream: int) -> str:
        data, texts = self.data.get(stream, b""), ""
        while data:
            _, size = struct.unpack_from(">BL", data)
            texts += StringValue.FromString(data[5 : 5 + size]).value
            data = data[5 + size :]
        return texts

    def _note(self, event: events.Event, *, credit: bool) -> None:
        match event:
            case events.ResponseReceived() | events.TrailersReceived():
                fields = {str(name): str(value) for name, value in event.headers or ()}
                self.headers.setdefault(event.stream_id or 0, []).append(fields)
            case events.DataReceived():
                self.data[event.stream_id] = self.data.get(event.stream_id, b"") + (event.data or b"")
                if credit and event.flow_controlled_length:
                    self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case events.StreamEnded():
                self.ended.add(event.stream_id or 0)
            case events.StreamReset():
                self.resets[event.stream_id] = int(event.error_code or 0)
            case events.PingAckReceived():
                self.pings.append(event.ping_data or b"")
            case events.ConnectionTerminated():
                self.goaway = int(event.error_code or 0)
            case _:
                pass


@contextlib.asynccontextmanager
async def h2_client(port: int, *, window: int = 65_535) -> AsyncGenerator[H2Client]:
    """A client whose streams begin with a window of so many bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = H2Client(reader, writer, window)
    try:
        await client.flush()
        yield client
    finally:
        writer.close()


async def say(port: int, data: bytes, *, pieces: Sequence[int] = ()) -> list[Frame]:
    """Send bytes as they are; returns the frames that come until the server ends the connection, or has no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        at = 0
        for piece in pieces:
            if not writer.is_closing():
                writer.write(data[at : at + piece])
            at += piece
            await asyncio.sleep(0)
        if not writer.is_closing():
            writer.write(data[at:])
            writer.write_eof()
        with anyio.fail_after(10):
            received = await reader.read()
    except ConnectionError:
        received = b""
    finally:
        writer.close()
    return split(received)


def split(data: bytes) -> list[Frame]:
    """The frames that a server sent."""
    found: list[Frame] = []
    while data:
        size = int.from_bytes(data[:3], "big")
        kind, flags, stream = struct.unpack_from(">BBL", data, 3)
        found.append((kind, flags, stream, data[9 : 9 + size]))
        data = data[9 + size :]
    return found
