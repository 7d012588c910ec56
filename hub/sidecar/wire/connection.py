"""One client's connection: its frames in, its calls to their methods."""

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from . import frames
from .call import STREAM_WINDOW, Call, Router
from .frames import ErrorCode, FrameReader, Http2Error
from .headers import ANSWER, EMPTY_TABLE, NOT_GRPC, HeaderReader, pack_trailers
from .outbox import Outbox
from .status import RpcError, Status

logger = logging.getLogger(__name__)

CONNECTION_WINDOW: Final = 4 * STREAM_WINDOW
"""Bytes that a client may send before it hears from this side."""
CLOSE_S: Final = 0.5
"""How long a client may take to read the last bytes."""
_CALLS_ONLY: Final = frozenset({frames.DATA, frames.HEADERS, frames.RST_STREAM, frames.CONTINUATION})
_CONNECTION_ONLY: Final = frozenset({frames.SETTINGS, frames.PING, frames.GOAWAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients are held to."""

    max_message_bytes: int
    keepalive_s: float
    """Silence of a client after which it is asked for a sign of life, and then after which it is cut off."""
    max_header_bytes: int = 2**18
    max_calls: int = 100_000
    """Open calls of one connection."""


class Connection(asyncio.Protocol):
    """The server's side of a connection (RFC 9113)."""

    def __init__(
        self,
        router: Router,
        limits: Limits,
        *,
        made: "Callable[[Connection], None]",
        lost: "Callable[[Connection], None]",
    ) -> None:
        """Answer a client.

        Args:
            made: called when there is a connection, and `lost` when there is none any more.
        """
        self._router = router
        self._limits = limits
        self._made = made
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader()
        self._headers = HeaderReader(limits.max_header_bytes)
        self._calls: dict[int, Call] = {}
        self._last_stream = 0
        self._room = CONNECTION_WINDOW
        self._unfinished: tuple[int, int, bytearray] | None = None
        """Stream, flags and beginning of a header block that goes on in the next frame."""
        self._has_settings = self._is_leaving = self._is_done = False
        self._heard_at = self._pinged_at = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is no call, and all answers are sent."""
        return not self._calls and not self._out.is_waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername") or ("unknown", 0)
        self._peer = f"{'ipv6' if ':' in address[0] else 'ipv4'}:{address[0]}:{address[1]}"
        self._out = Outbox(self._transport)
        self._out.send(
            frames.pack_settings(
                {
                    frames.MAX_CONCURRENT_STREAMS: self._limits.max_calls,
                    frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                    frames.MAX_HEADER_LIST_SIZE: self._limits.max_header_bytes,
                }
            )
            + frames.pack_number(frames.WINDOW_UPDATE, 0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
        )
        self._watch = self._loop.call_later(self._limits.keepalive_s, self._keep_alive)
        self._made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whichever way it went
        self._lost(self)
        for timer in (self._watch, self._closing):
            if timer is not None:
                timer.cancel()
        for stream in list(self._calls):
            self._abandon(stream)

    def pause_writing(self) -> None:
        self._out.hold()

    def resume_writing(self) -> None:
        self._out.release()

    def data_received(self, data: bytes) -> None:
        if self._is_done:
            return
        self._heard_at = self._loop.time()
        try:
            for kind, flags, stream, payload in self._frames.feed(data):
                self._take(kind, flags, stream, payload)
        except Http2Error as error:
            logger.info("%s broke the protocol: %s", self._peer, error)
            self._leave(error.code, str(error))
            self._shut()

    def leave(self) -> None:
        """Tell the client to go elsewhere; calls that have begun go on."""
        self._leave(ErrorCode.NO_ERROR, "")

    def close(self) -> None:
        """End what is left."""
        for call in self._calls.values():
            call.end(Status.UNAVAILABLE, "the sidecar is stopping")
            if call.task is not None:
                call.task.cancel()
        self._shut()

    def _shut(self) -> None:
        """Send what there is and wait for the client to close; to close before it does might take its bytes from it."""
        self._is_done = True
        self._out.end()
        self._closing = self._loop.call_later(CLOSE_S, self._transport.abort)

    def abort(self) -> None:
        """End it without a word."""
        self._transport.abort()

    def _leave(self, code: ErrorCode, why: str) -> None:
        self._is_leaving = True
        self._out.send(frames.pack_goaway(self._last_stream, code, why))
        self._out.flush()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if (self._unfinished is not None) != (kind == frames.CONTINUATION):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a header block is sent in one piece")
        if not self._has_settings and kind != frames.SETTINGS:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the first frame holds settings")
        if kind in (_CALLS_ONLY if stream == 0 else _CONNECTION_ONLY):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"a frame of kind {kind} is not for stream {stream}")
        match kind:
            case frames.DATA:
                self._take_data(flags, stream, payload)
            case frames.HEADERS:
                self._take_headers(flags, stream, payload)
            case frames.CONTINUATION:
                self._take_continuation(flags, stream, payload)
            case frames.WINDOW_UPDATE:
                self._out.widen(stream, frames.read_number(payload))
            case frames.RST_STREAM:
                self._take_reset(stream, payload)
            case frames.PING:
                self._take_ping(flags, payload)
            case frames.SETTINGS:
                self._take_settings(flags, payload)
            case frames.PUSH_PROMISE:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "clients do not push")
            case _:
                pass  # section 5.5: what is not known is ignored; a client's GOAWAY changes nothing here

    def _take_data(self, flags: int, stream: int, payload: bytes) -> None:
        self._room -= len(payload)
        if self._room < 0:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window was not kept")
        if self._room < CONNECTION_WINDOW // 2:
            self._out.send(frames.pack_number(frames.WINDOW_UPDATE, 0, CONNECTION_WINDOW - self._room))
            self._room = CONNECTION_WINDOW
        if stream > self._last_stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "data for a stream that was not opened")
        call = self._calls.get(stream)
        if call is None or not call.is_open:
            return  # it ended while this was on its way
        if call.is_half_closed:
            raise Http2Error(ErrorCode.STREAM_CLOSED, "data after the end of a stream")
        try:
            call.take(frames.strip_padding(flags & frames.PADDED, payload), len(payload))
            if flags & frames.END_STREAM:
                call.half_close()
        except RpcError as error:
            self._refuse(stream, call, error)
            return
        if call.is_half_closed and call.task is None:
            self._serve(stream, call)

    def _take_headers(self, flags: int, stream: int, payload: bytes) -> None:
        block = frames.strip_padding(flags, payload)
        if flags & frames.END_HEADERS:
            self._open(stream, block, ends=bool(flags & frames.END_STREAM))
        else:
            self._unfinished = (stream, flags, bytearray(block))

    def _take_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        first, first_flags, block = self._unfinished or (0, 0, bytearray())
        if stream != first:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a header block is sent in one piece")
        if not payload or len(block) + len(payload) > self._limits.max_header_bytes:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the headers are too large, or have empty pieces")
        block += payload
        if flags & frames.END_HEADERS:
            self._unfinished = None
            self._open(stream, bytes(block), ends=bool(first_flags & frames.END_STREAM))

    def _take_reset(self, stream: int, payload: bytes) -> None:
        frames.read_number(payload)
        if stream > self._last_stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the end of a stream that was not opened")
        self._abandon(stream)

    def _take_settings(self, flags: int, payload: bytes) -> None:
        self._has_settings = True
        if flags & frames.ACK:
            if payload:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "settings are acknowledged without any")
            return
        first_window: int | None = None
        for name, value in frames.read_settings(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                if value > frames.LARGEST_WINDOW:
                    raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is larger than it may be")
                first_window = value
            elif name == frames.MAX_FRAME_SIZE:
                if not frames.DEFAULT_FRAME_SIZE <= value <= frames.LARGEST_FRAME_SIZE:
                    raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"frames of {value} bytes are not allowed")
                self._out.max_frame_size = value
            elif name == frames.HEADER_TABLE_SIZE and value < frames.DEFAULT_TABLE_SIZE:
                self._out.block_prefix = EMPTY_TABLE
        if first_window is not None:
            self._out.set_first_window(first_window)
        self._out.send(frames.pack_frame(frames.SETTINGS, frames.ACK, 0))
        self._out.resume()

    def _take_ping(self, flags: int, payload: bytes) -> None:
        if len(payload) != frames.PING_BYTES:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"a ping has {frames.PING_BYTES} bytes")
        if not flags & frames.ACK:
            self._out.send(frames.pack_frame(frames.PING, frames.ACK, 0, payload))

    def _open(self, stream: int, block: bytes, *, ends: bool) -> None:
        request = self._headers.read(block)  # always: each block changes the table
        if stream <= self._last_stream:
            if not ends:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "headers in the middle of a call")
            self._take_data(frames.END_STREAM, stream, b"")  # trailers; clients of gRPC send none
            return
        if stream % 2 == 0:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "clients open streams with odd numbers")
        self._last_stream = stream
        if self._is_leaving or max(len(self._calls), self._out.stream_count) >= self._limits.max_calls:
            self._out.send(frames.pack_number(frames.RST_STREAM, stream, ErrorCode.REFUSED_STREAM))
            return
        out = self._out.open(stream)
        if not request.is_grpc:
            out.end(NOT_GRPC, resets=not ends)
            return
        try:
            method = self._router(request)
        except RpcError as error:
            out.end(ANSWER + pack_trailers(error.status, str(error)), resets=not ends)
            return
        widen = functools.partial(self._widen, stream)
        call = self._calls[stream] = Call(request, method, self._peer, out, widen, self._limits.max_message_bytes)
        if ends:
            call.half_close()
        if request.timeout_s is not None:
            call.deadline = self._loop.call_later(request.timeout_s, self._expire, stream)
        if ends or method.is_streaming:
            self._serve(stream, call)

    def _serve(self, stream: int, call: Call) -> None:
        # A protocol's callbacks have no task group; the connection ends what it has begun.
        call.task = self._loop.create_task(self._run(call))
        call.task.add_done_callback(functools.partial(self._forget, stream))

    async def _run(self, call: Call) -> None:
        try:
            await call.method.run(call)
        except RpcError as error:
            call.fail(error)
        except Exception:
            logger.exception("a call failed")
            call.end(Status.INTERNAL, "the sidecar failed; the reason stands in its log")
        else:
            call.end(Status.OK)

    def _forget(self, stream: int, _task: object = None) -> None:
        call = self._calls.pop(stream)
        if call.deadline is not None:
            call.deadline.cancel()

    def _expire(self, stream: int) -> None:
        self._calls[stream].end(Status.DEADLINE_EXCEEDED, "the call's deadline is over")
        self._let_go(stream)

    def _refuse(self, stream: int, call: Call, error: RpcError) -> None:
        call.fail(error)
        self._let_go(stream)

    def _abandon(self, stream: int) -> None:
        """The client is not there any more for a call."""
        call = self._calls.get(stream)
        if call is not None:
            call.is_open = False
            self._let_go(stream)
        self._out.close(stream)

    def _let_go(self, stream: int) -> None:
        """Nobody waits for a call's method any more."""
        call = self._calls[stream]
        if call.task is None:
            self._forget(stream)
        elif call.method.ends_with_client:
            call.task.cancel()

    def _widen(self, stream: int, size: int) -> None:
        self._out.send(frames.pack_number(frames.WINDOW_UPDATE, stream, size))

    def _keep_alive(self) -> None:
        silence_s, keepalive_s = self._loop.time() - self._heard_at, self._limits.keepalive_s
        if silence_s < keepalive_s:
            self._watch = self._loop.call_later(keepalive_s - silence_s, self._keep_alive)
        elif self._pinged_at <= self._heard_at:
            self._pinged_at = self._loop.time()
            self._out.send(frames.pack_frame(frames.PING, 0, 0, bytes(frames.PING_BYTES)))
            self._watch = self._loop.call_later(keepalive_s, self._keep_alive)
        else:
            logger.info("%s is silent", self._peer)
            self._transport.abort()
