"""Generated HTTP: a message in a request that is wrong in its headers, its framing, its method or its path."""

from dataclasses import dataclass
from random import Random

from tests.fuzz.messages import Body, build_body, good_headers

Headers = list[tuple[str, str]]

_ODD_HEADERS: tuple[tuple[str, str], ...] = (
    ("Content-Type", "text/plain"), ("Content-Type", ""), ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "multipart/form-data; boundary=x"), ("Accept", "text/html"), ("Accept", ""), ("Accept", "*/*"),
    ("Accept", "application/json"), ("Accept", "text/event-stream"), ("MCP-Protocol-Version", "2026-07-28"),
    ("MCP-Protocol-Version", "2025-11-25"), ("MCP-Protocol-Version", "2099-01-01"), ("MCP-Protocol-Version", ""),
    ("MCP-Protocol-Version", "\xff\xfe"), ("Mcp-Method", "tools/list"), ("Mcp-Method", ""), ("Mcp-Method", "x" * 9000),
    ("Mcp-Name", "local__echo"), ("Mcp-Name", "=?base64?bG9jYWxfX2VjaG8=?="), ("Mcp-Name", "=?base64?####?="),
    ("Mcp-Name", "=?base64?/////w==?="), ("Mcp-Name", "\xe9"), ("Mcp-Session-Id", "no-such-session"),
    ("Mcp-Session-Id", ""), ("Mcp-Session-Id", "x" * 5000), ("Mcp-Session-Id", "\x01"), ("Last-Event-ID", "1"),
    ("Last-Event-ID", "x" * 4000), ("Origin", "http://evil.example"), ("Origin", "null"), ("Host", "evil.example"),
    ("Host", ""), ("Host", "127.0.0.1:99999"), ("Authorization", "Bearer"), ("Authorization", "Basic \xff"),
    ("Connection", "upgrade"), ("Upgrade", "websocket"), ("Upgrade", "h2c"), ("Expect", "100-continue"),
    ("Expect", "nonsense"), ("Content-Encoding", "gzip"), ("Cookie", "a=" + "b" * 4000), ("traceparent", "00-zz"),
    ("Mcp-Param-X", "1"), ("X-Forwarded-For", "::1"), ("Te", "trailers"), ("Range", "bytes=0-0"),
)  # fmt: skip
_ODD_LENGTHS = ("99999999999", "-1", "abc", "+5", "0x10", "1e3", "", "0", "5, 5", "18446744073709551616", " 7 ")
_METHODS = ("GET", "DELETE", "PUT", "OPTIONS", "HEAD", "PATCH", "TRACE", "post", "FOO", "CONNECT", "", "POST POST")
_PATHS = (
    "/", "/mcp/", "//mcp", "/mcp?session=1", "/mcp#x", "/MCP", "/healthz", "/readyz", "/../mcp", "/%6dcp", "/mcp%00",
    "*", "http://evil.example/mcp", "/" + "a" * 9000, "/\xff", "", "/mcp/../../etc/passwd",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Bytes for one connection, and what may be expected of the answer."""

    raw: bytes
    answers: int
    """How many answers must come; 0 where the framing is broken: then an answer or the end of the connection."""
    head_only: bool = False
    """The answer has a length but no body (`HEAD`), or may go on for ever (an event stream of `GET`)."""
    is_unfinished: bool = False
    """The other side may wait for more: it is told that nothing more comes."""


def build_request(random: Random, *, port: int, modern: bool, session: str | None) -> Request:
    body = build_body(random, modern=modern)
    headers: Headers = [("Host", f"127.0.0.1:{port}"), *good_headers(body, modern=modern, session=session)]
    choice = random.random()
    if choice < 0.60:
        return Request(raw=_framed("POST", "/mcp", headers, body.data), answers=1)
    if choice < 0.82:
        return _with_odd_headers(headers, body, random)
    if choice < 0.87:
        return Request(raw=_chunked(headers, body.data, random), answers=1)
    if choice < 0.90:
        again = build_body(random, modern=modern)
        first, second = (_framed("POST", "/mcp", headers, data) for data in (body.data, again.data))
        return Request(raw=first + second, answers=2)
    if choice < 0.93:
        raw = _framed(random.choice(_METHODS), "/mcp", headers, body.data)
        return Request(raw=raw, answers=0, head_only=True, is_unfinished=True)
    if choice < 0.96:
        return Request(raw=_framed("POST", random.choice(_PATHS), headers, body.data), answers=0, is_unfinished=True)
    return Request(raw=_broken_framing(headers, body.data, random), answers=0, is_unfinished=True)


def _head(method: str, path: str, headers: Headers, version: str = "HTTP/1.1") -> bytes:
    lines = [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _framed(method: str, path: str, headers: Headers, data: bytes) -> bytes:
    return _head(method, path, [*headers, ("Content-Length", str(len(data)))]) + data


def _with_odd_headers(headers: Headers, body: Body, random: Random) -> Request:
    """Headers left out, changed, or there twice. The HTTP server may refuse them before the hub sees them."""
    headers = list(headers)
    for _ in range(random.choice((1, 1, 2, 4))):
        name, value = random.choice(_ODD_HEADERS)
        choice = random.random()
        if choice < 0.5:
            headers = [(known, old) for known, old in headers if known.lower() != name.lower()] + [(name, value)]
        elif choice < 0.75:
            headers.append((name, value))
        else:
            del headers[random.randrange(len(headers))]
            headers = headers or [("Accept", "*/*")]
    return Request(raw=_framed("POST", "/mcp", headers, body.data), answers=0)


def _chunked(headers: Headers, data: bytes, random: Random) -> bytes:
    parts = [_head("POST", "/mcp", [*headers, ("Transfer-Encoding", "chunked")])]
    while data:
        size = random.randrange(1, len(data) + 1)
        extension = b";a=b" if random.random() < 0.1 else b""
        parts.append(b"%x%s\r\n%s\r\n" % (size, extension, data[:size]))
        data = data[size:]
    return b"".join([*parts, b"0\r\n\r\n"])


def _broken_framing(headers: Headers, data: bytes, random: Random) -> bytes:
    length = ("Content-Length", str(len(data)))
    choice = random.randrange(9)
    if choice == 0:
        return _head("POST", "/mcp", [*headers, ("Content-Length", random.choice(_ODD_LENGTHS))]) + data
    if choice == 1:
        return _head("POST", "/mcp", [*headers, ("Content-Length", str(len(data) + 50))]) + data
    if choice == 2:
        return _head("POST", "/mcp", [*headers, length, ("Content-Length", str(len(data) + 1))]) + data
    if choice == 3:
        return _head("POST", "/mcp", [*headers, length, ("Transfer-Encoding", "chunked")]) + data
    if choice == 4:
        broken = random.choice((b"zz\r\n", b"-5\r\nabc", b"fffffffffffffffff\r\n", b"5\r\nab", b"5 abcde\r\n"))
        return _head("POST", "/mcp", [*headers, ("Transfer-Encoding", "chunked")]) + broken + data
    if choice == 5:
        return _head("POST", "/mcp", [*headers, length], random.choice(("HTTP/0.9", "HTTP/1.0", "HTTP/9.9", ""))) + data
    if choice == 6:
        line = random.choice((b"no colon here\r\n", b" folded: yes\r\n", b": empty\r\n", b"a\x00b: c\r\n", b"\r\r\n"))
        head = _head("POST", "/mcp", [*headers, length])
        return head[:-2] + line + b"\r\n" + data
    if choice == 7:
        many = [(f"X-Number-{number}", "x" * 50) for number in range(random.choice((200, 2000)))]
        return _head("POST", "/mcp", [*headers, *many, length]) + data
    return random.randbytes(random.randrange(1, 500))
