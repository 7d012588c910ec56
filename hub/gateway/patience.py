"""An answer that may take its time: plain JSON if it is soon there, else an event stream with signs of life."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine

from hub.catalog.provider import RawReply

SOON_S = 15.0
"""After this long without an answer the stream begins; a proxy or a client may give up on a silent connection."""

_PING = b": ping\r\n\r\n"


async def reply_when_ready(work: Coroutine[None, None, tuple[int, bytes]]) -> RawReply:
    """Wait for work to end and wrap its HTTP status and JSON for the wire; a stream, once begun, has no status.

    Cancelling this, or closing the stream, ends the work.

    Source: MCP 2026-07-28, basic/transports (a POST is answered by JSON or by an event stream).
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait((task,), timeout=SOON_S)
    except BaseException:
        await _ended(task)
        raise
    if task.done():
        status, body = task.result()
        return RawReply(status=status, content_type=b"application/json", body=body)
    return RawReply(status=200, content_type=b"text/event-stream", body=_stream(task))


async def _stream(task: "asyncio.Task[tuple[int, bytes]]") -> AsyncGenerator[bytes, None]:
    try:
        while not task.done():
            yield _PING
            await asyncio.wait((task,), timeout=SOON_S)
        yield b"event: message\r\ndata: " + task.result()[1] + b"\r\n\r\n"
    finally:
        await _ended(task)


async def _ended(task: "asyncio.Task[tuple[int, bytes]]") -> None:
    task.cancel()
    await asyncio.wait((task,))
