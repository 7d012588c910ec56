"""A server's error output, kept in a file that cannot grow without end."""

import logging
import time
from pathlib import Path
from typing import BinaryIO

FILE_BYTES = 2**20
BYTES_PER_SECOND = 256 * 1024


class StderrLog:
    """Two files at most: the current one and the one before; a flood is cut short and the loss is noted."""

    def __init__(self, path: Path | None, logger: logging.Logger) -> None:
        self._path = path
        self._logger = logger
        self._file: BinaryIO | None = None
        self._size_bytes = 0
        self._window_ends_at = 0.0
        self._left_bytes = BYTES_PER_SECOND
        self._dropped_bytes = 0

    def write(self, data: bytes) -> None:
        if self._path is None:
            return
        now = time.monotonic()
        if now >= self._window_ends_at:
            self._window_ends_at = now + 1.0
            self.allow_another_second()
        kept = data[: self._left_bytes]
        self._left_bytes -= len(kept)
        self._dropped_bytes += len(data) - len(kept)
        if kept:
            self._append(kept)

    def allow_another_second(self) -> None:
        """Begin a new allowance."""
        self._left_bytes = BYTES_PER_SECOND
        self._note_loss()

    def note(self, text: str) -> None:
        """Write a line of the hub's own."""
        self.write(f"[hub] {text}\n".encode("utf-8", "replace"))

    def close(self) -> None:
        self._note_loss()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _note_loss(self) -> None:
        if self._dropped_bytes:
            lost, self._dropped_bytes = self._dropped_bytes, 0
            self._append(f"\n[hub] {lost} bytes left out: more than {BYTES_PER_SECOND} in a second\n".encode())

    def _append(self, data: bytes) -> None:
        if self._path is None:
            return
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
                self._size_bytes = self._file.tell()
            if self._size_bytes + len(data) > FILE_BYTES:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("ab", buffering=0)
                self._size_bytes = 0
            self._file.write(data)
            self._size_bytes += len(data)
        except OSError:
            self._logger.exception("the server's log cannot be written; it is left out from now on")
            self._path = None
