"""gRPC's messages in a stream of bytes: a flag, the length, the message (gRPC core, `PROTOCOL-HTTP2.md`)."""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from .status import RefusedError, Status

_PREFIX: Final = struct.Struct(">BL")
_WINDOW_BITS: Final = {"deflate": zlib.MAX_WBITS, "gzip": zlib.MAX_WBITS | 16}


def pack_message(message: bytes) -> bytes:
    return _PREFIX.pack(0, len(message)) + message


@dataclass(frozen=True, slots=True)
class Packed:
    """A message as it came."""

    data: bytes
    is_compressed: bool


class MessageReader:
    """Cuts a call's data into messages."""

    def __init__(self, max_bytes: int, encoding: str) -> None:
        self._max_bytes = max_bytes
        self._encoding = encoding
        self._rest = bytearray()
        self._wanted = 0
        """Bytes that the next message needs to be whole, as far as that is known."""

    @property
    def is_between(self) -> bool:
        """Whether no message has begun."""
        return not self._rest

    def feed(self, data: bytes) -> list[Packed]:
        """The messages that are whole now.

        Raises:
            RefusedError: one is too large.
        """
        self._rest += data
        messages: list[Packed] = []
        while len(self._rest) >= max(self._wanted, _PREFIX.size):
            flag, length = _PREFIX.unpack_from(self._rest)
            self._check(length)
            self._wanted = _PREFIX.size + length
            if len(self._rest) < self._wanted:
                break
            messages.append(Packed(bytes(memoryview(self._rest)[_PREFIX.size : self._wanted]), bool(flag)))
            del self._rest[: self._wanted]
            self._wanted = 0
        return messages

    def unpack(self, message: Packed) -> bytes:
        """A message as it was meant.

        Raises:
            RefusedError: it is compressed in a way that is not known, broken, or too large.
        """
        if not message.is_compressed:
            return message.data
        bits = _WINDOW_BITS.get(self._encoding)
        if bits is None:
            raise RefusedError(Status.UNIMPLEMENTED, f"messages compressed as {self._encoding!r} cannot be read")
        try:
            plain = zlib.decompressobj(bits).decompress(message.data, self._max_bytes + 1)
        except zlib.error as error:
            raise RefusedError(Status.INTERNAL, f"a message could not be decompressed ({error})") from error
        self._check(len(plain))
        return plain

    def _check(self, length: int) -> None:
        if length > self._max_bytes:
            raise RefusedError(
                Status.RESOURCE_EXHAUSTED, f"Received message larger than max ({length} vs. {self._max_bytes})"
            )
