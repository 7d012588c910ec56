"""What a request's headers say, and the headers of answers (gRPC core, `PROTOCOL-HTTP2.md`)."""

import base64
import binascii
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple, OversizedHeaderListError

from .frames import ErrorCode, Http2Error
from .status import Status

MAX_KNOWN: Final = 256
MAX_KNOWN_BYTES: Final = 2048
"""A longer block is decoded each time, not kept."""
MAX_MESSAGE_BYTES: Final = 6000
"""Clients take 8 KiB of trailers by default."""
_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])")
_SECONDS: Final[Mapping[str, float]] = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a call."""

    path: str
    """`/service/method`."""
    metadata: Mapping[str, str | bytes]
    """The headers; those whose name ends with `-bin` as bytes."""
    is_grpc: bool
    timeout_s: float | None
    encoding: str
    """How messages are compressed that say they are."""


class HeaderReader:
    """Reads the header blocks of one connection (HPACK, RFC 7541).

    A client's calls repeat the same few blocks. One that was read before means the same again for as long as the
    table that it refers to is as it was; so it is not decoded again.
    """

    def __init__(self, max_bytes: int) -> None:
        self._decoder = Decoder(max_header_list_size=max_bytes)
        self._known: dict[bytes, Request] = {}

    def read(self, block: bytes) -> Request:
        """The request that a block is the head of.

        Raises:
            Http2Error: it cannot be decoded, or is too large.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        table = self._decoder.header_table
        entries, max_size = table.dynamic_entries, table.maxsize
        count, newest = len(entries), entries[0] if entries else None
        try:
            fields = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError as error:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the headers are too large") from error
        except HPACKError as error:
            raise Http2Error(ErrorCode.COMPRESSION_ERROR, "the headers cannot be decoded") from error
        request = _request([(bytes(name), bytes(value)) for name, value in fields])
        is_as_before = len(entries) == count and (not entries or entries[0] is newest) and table.maxsize == max_size
        if not is_as_before:
            self._known.clear()
        elif len(self._known) < MAX_KNOWN and len(block) <= MAX_KNOWN_BYTES:
            self._known[block] = request
        return request


def pack_headers(fields: Sequence[tuple[str, str]]) -> bytes:
    """A header block that means the same at any time: nothing of it is put into the peer's table."""
    return Encoder().encode([NeverIndexedHeaderTuple(name, value) for name, value in fields], huffman=False)


ANSWER: Final = pack_headers(
    [(":status", "200"), ("content-type", "application/grpc"), ("grpc-accept-encoding", "identity,deflate,gzip")]
)
EMPTY_TABLE: Final = b"\x20"
"""Tells a peer that wants a small table that none is used (RFC 7541, section 6.3)."""
NOT_GRPC: Final = pack_headers([(":status", "415")])
_OK: Final = pack_headers([("grpc-status", "0")])


def pack_trailers(status: Status, message: str = "") -> bytes:
    """How a call ended."""
    if status is Status.OK:
        return _OK
    quoted = urllib.parse.quote(message, safe=_PRINTABLE, errors="replace")[:MAX_MESSAGE_BYTES]
    quoted = re.sub(r"%[0-9A-F]?$", "", quoted)
    return pack_headers([("grpc-status", str(int(status))), ("grpc-message", quoted)])


def _request(fields: Sequence[tuple[bytes, bytes]]) -> Request:
    metadata: dict[str, str | bytes] = {}
    method = path = ""
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == ":method":
            method = value
        elif name == ":path":
            path = value
        elif name.endswith("-bin"):
            metadata[name] = _decode_binary(raw_value)
        elif not name.startswith(":"):
            metadata[name] = value
    content_type = str(metadata.get("content-type", ""))
    return Request(
        path=path,
        metadata=metadata,
        is_grpc=method == "POST" and re.match(r"application/grpc(\+proto)?(;|$)", content_type) is not None,
        timeout_s=_timeout(str(metadata.get("grpc-timeout", ""))),
        encoding=str(metadata.get("grpc-encoding", "identity")),
    )


def _decode_binary(value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return b""


def _timeout(text: str) -> float | None:
    found = _TIMEOUT.fullmatch(text)
    return None if found is None else int(found[1]) * _SECONDS[found[2]]
