"""One call: what came in, and the way for what goes out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from .frames import ErrorCode, Http2Error
from .headers import ANSWER, Request, pack_trailers
from .messages import MessageReader, Packed, pack_message
from .outbox import OutStream
from .status import RefusedError, RpcError, Status

STREAM_WINDOW: Final = 1024 * 1024
"""Bytes of a call that a client may send ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What answers calls of one path."""

    run: "Callable[[Call], Awaitable[None]]"
    """Answers a call; one that raises `RpcError` ends with its status and message."""
    is_streaming: bool = False
    """Whether it begins before the client has sent everything."""
    ends_with_client: bool = True
    """Whether it is cancelled when the client goes away, or its deadline is over."""


Router = Callable[[Request], Method]
"""Finds the method for a request; raises `RpcError` where there is none, or not for this client."""


class Call:
    """A call of one client; methods are given it."""

    def __init__(
        self,
        request: Request,
        method: Method,
        peer: str,
        out: OutStream,
        widen: Callable[[int], None],
        max_bytes: int,
    ) -> None:
        """Begin a call.

        Args:
            widen: lets the client send so many bytes more.
            max_bytes: the largest message.
        """
        self.method = method
        self.metadata = request.metadata
        """The call's headers; those whose name ends with `-bin` as bytes."""
        self.peer = peer
        """The client's connection: `ipv4:address:port`."""
        self.task: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.is_open = True
        """Whether it has not ended."""
        self.is_half_closed = False
        """Whether the client has said all it has to say."""
        self._out = out
        self._widen = widen
        self._reader = MessageReader(max_bytes, request.encoding)
        self._messages: asyncio.Queue[Packed | None] = asyncio.Queue()
        self._room = STREAM_WINDOW
        self._has_headers = False

    async def message(self) -> bytes:
        """The message of a call that has one.

        Raises:
            RpcError: it has none, or it cannot be read.
        """
        message = await self._next()
        if message is None:
            raise RefusedError(Status.INTERNAL, "the call has no message")
        return message

    async def messages(self) -> AsyncIterator[bytes]:
        """The messages of the client until it has no more; raises `RpcError` at one that cannot be read."""
        while (message := await self._next()) is not None:
            yield message

    async def send_headers(self) -> None:
        """Let the client know that it is heard, before there is a message."""
        self._start()

    async def write(self, message: Message) -> None:
        """Send a message; waits until the client's window has taken it."""
        if self.is_open:
            self._start()
            self._out.send_data(pack_message(message.SerializeToString()))
            await self._out.drained()

    def answer(self, message: bytes) -> None:
        """Send the one message of an answer, and end well."""
        if self.is_open:
            self._start()
            self._out.send_data(pack_message(message))
            self.end(Status.OK)

    def fail(self, error: RpcError) -> None:
        self.end(error.status, str(error))

    def end(self, status: Status, message: str = "") -> None:
        """End the call, if it has not ended."""
        if self.is_open:
            trailers = pack_trailers(status, message)
            self.is_open = False
            self._out.end(trailers if self._has_headers else ANSWER + trailers, resets=not self.is_half_closed)

    def take(self, data: bytes, size: int) -> None:
        """Data came.

        Args:
            size: bytes that count for the window: with padding.

        Raises:
            Http2Error: more than the window lets through.
            RefusedError: it is not a message that can be read.
        """
        self._room -= size
        if self._room < 0:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window was not kept")
        for message in self._reader.feed(data):
            if not self.method.is_streaming and not self._messages.empty():
                raise RefusedError(Status.INTERNAL, "the call has more than one message")
            self._messages.put_nowait(message)
        self._make_room()

    def half_close(self) -> None:
        """The client has no more messages.

        Raises:
            RefusedError: it stopped in the middle of one.
        """
        self.is_half_closed = True
        if not self._reader.is_between:
            raise RefusedError(Status.INTERNAL, "the call ended in the middle of a message")
        self._messages.put_nowait(None)

    async def _next(self) -> bytes | None:
        message = await self._messages.get()
        if message is None:
            return None
        self._make_room()
        return self._reader.unpack(message)

    def _start(self) -> None:
        if not self._has_headers:
            self._has_headers = True
            self._out.send_headers(ANSWER)

    def _make_room(self) -> None:
        """Let the client send more, unless it is ahead of whoever reads."""
        if self._room < STREAM_WINDOW // 2 and self._messages.empty() and not self.is_half_closed and self.is_open:
            self._widen(STREAM_WINDOW - self._room)
            self._room = STREAM_WINDOW
