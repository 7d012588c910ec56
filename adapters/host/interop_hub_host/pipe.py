"""The wire: one JSON message a line, on two file descriptors that nothing else in the process knows.

Source: MCP 2026-07-28, basic/transports, stdio.
"""

import json
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

Json = dict[str, Any]

MAX_MESSAGE_BYTES: Final = 64 * 2**20
_CHUNK_BYTES: Final = 65_536


class Pipe:
    """Reads on one thread and writes on another, so that a slow client never stops the loop."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="wire-out", daemon=True)
        self._writer.start()

    def listen(self, on_line: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        """Hand over each line from now on, and say when there will be no more; both on a thread of the pipe."""
        threading.Thread(target=self._read, args=(on_line, on_end), name="wire-in", daemon=True).start()

    def send(self, message: Json) -> None:
        """Queue one message; callable on any thread."""
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._outgoing.put(text.encode("utf-8", "replace") + b"\n")

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued."""
        self._outgoing.put(None)
        self._writer.join(timeout_s)

    def _read(self, on_line: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        held: list[bytes] = []
        size = 0
        while True:
            try:
                chunk = os.read(self._reading, _CHUNK_BYTES)
            except OSError:
                break
            if not chunk:
                break
            *lines, rest = chunk.split(b"\n")
            for line in lines:
                whole = b"".join((*held, line))
                held, size = [], 0
                if whole.strip():
                    on_line(whole)
            size += len(rest)
            if size > MAX_MESSAGE_BYTES:
                break
            held.append(rest)
        on_end()

    def _write(self) -> None:
        while (line := self._outgoing.get()) is not None:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._writing, rest) :]
            except OSError:
                return
