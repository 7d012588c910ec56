"""Large answers give way to small ones: they leave in pieces with a pause after each.

Whoever writes 50 MB as fast as it can keeps the event loop to itself, and each other call waits at each of its turns.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

FREE_BYTES: Final = 1 << 20
"""What an answer may send before it is held to the pace."""
PIECE_BYTES: Final = 1 << 16
PAUSE_S: Final = 0.001
"""At 64 KiB a piece this is up to 64 MiB/s for one answer."""


class PacedSend:
    """An ASGI `send` of one answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._sent_bytes = 0
        self._unpaused_bytes = 0

    async def __call__(self, message: Message) -> None:
        body: bytes = message.get("body", b"")
        self._sent_bytes += len(body)
        if self._sent_bytes <= FREE_BYTES:
            await self._send(message)
            return
        last = max(0, len(body) - 1) // PIECE_BYTES * PIECE_BYTES
        view = memoryview(body)
        for start in range(0, last, PIECE_BYTES):
            await self._send({**message, "body": bytes(view[start : start + PIECE_BYTES]), "more_body": True})
            await asyncio.sleep(PAUSE_S)
        await self._send({**message, "body": body[last:]} if last else message)
        self._unpaused_bytes += len(body) - last
        if self._unpaused_bytes >= PIECE_BYTES and message.get("more_body"):
            self._unpaused_bytes = 0
            await asyncio.sleep(PAUSE_S)
