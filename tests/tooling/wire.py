"""MCP over a plain blocking socket: requests written by hand, answers read as they come. Standard library only."""

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]

MODERN = "2026-07-28"


class WireError(Exception):
    """The other side ended the connection, or what it sent is not HTTP."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def messages(self) -> list[Any]:
        """The JSON values in the body, from JSON or from an event stream.

        Raises:
            ValueError: they are not JSON.
        """
        if self.content_type != "text/event-stream":
            return [json.loads(self.body)] if self.body else []
        lines = self.body.decode().splitlines()
        data = (line[5:].strip() for line in lines if line.startswith("data:"))
        return [json.loads(text) for text in data if text]


def envelope(capabilities: Json | None = None) -> Json:
    """What each modern request carries in `_meta`.

    Source: MCP 2026-07-28, basic/index, `_meta`.
    """
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities or {},
    }


def modern_request(method: str, params: Json, *, id: int = 1) -> Json:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, "_meta": envelope()}}


def post(message: Json | bytes, *, headers: dict[str, str], port: int, path: str = "/mcp") -> bytes:
    """A whole HTTP request."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += ["Content-Type: application/json", "Accept: application/json, text/event-stream"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def tool_call(name: str, arguments: Json, *, port: int, id: int = 1) -> bytes:
    """A modern `tools/call` with the headers that go with it."""
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": name}
    message = modern_request("tools/call", {"name": name, "arguments": arguments}, id=id)
    return post(message, headers=headers, port=port)


class Wire:
    """One connection to a port of the loopback address."""

    def __init__(self, port: int, *, timeout_s: float = 10.0) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def end_sending(self) -> None:
        """Tell the other side that nothing more comes."""
        self._socket.shutdown(socket.SHUT_WR)

    def exchange(self, raw: bytes) -> Response:
        self.send(raw)
        return self.receive()

    def receive_head(self) -> Response:
        """Read an answer as far as its headers; the connection is good for nothing after that."""
        status, headers = self._head()
        return Response(status, headers, b"")

    def receive(self) -> Response:
        """Read one answer.

        Raises:
            WireError: the connection ended first, or this is not HTTP.
            TimeoutError: nothing came for so long.
        """
        status, headers = self._head()
        while status == 100:
            status, headers = self._head()
        if status in (204, 304):
            return Response(status, headers, b"")
        if "chunked" in headers.get("transfer-encoding", ""):
            return Response(status, headers, self._chunks())
        if "content-length" in headers:
            return Response(status, headers, self._exactly(int(headers["content-length"])))
        return Response(status, headers, self._rest())

    def _head(self) -> tuple[int, dict[str, str]]:
        lines: list[bytes] = []
        while line := self._line():
            lines.append(line)
        if not lines or not lines[0].startswith(b"HTTP/1.1 "):
            raise WireError(f"not an HTTP answer: {lines[:1]!r}")
        pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
        return int(lines[0].split()[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill()
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self._line().partition(b";")[0], 16):
            body += self._exactly(size)
            self._line()
        while self._line():
            pass
        return bytes(body)

    def _rest(self) -> bytes:
        while part := self._socket.recv(262_144):
            self._buffer += part
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def _fill(self) -> None:
        part = self._socket.recv(262_144)
        if not part:
            raise WireError("the connection ended before the answer did")
        self._buffer += part


def call_tool(port: int, name: str, arguments: Json | None = None, *, timeout_s: float = 10.0) -> Json:
    """Call a tool on a connection of its own; the JSON-RPC response."""
    with Wire(port, timeout_s=timeout_s) as wire:
        response = wire.exchange(tool_call(name, arguments or {}, port=port))
    answer: Json = response.messages()[-1]
    return answer
