"""Send generated requests to a hub over HTTP, judge each answer, and keep what went wrong for a replay."""

import threading
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.messages import LEGACY, random_of
from tests.fuzz.requests import Request, build_request
from tests.fuzz.verdict import Wrong, judge_response
from tests.tooling.wire import Json, Response, Wire, WireError, call_tool, post

BOUND_S = 15.0
CHECK_EACH = 500


class Sender:
    """One caller: a connection that is kept where that is possible, and a session in the handshake era."""

    def __init__(self, port: int, *, modern: bool) -> None:
        self._port = port
        self._modern = modern
        self._wire: Wire | None = None
        self.session: str | None = None

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _connection(self) -> Wire:
        if self._wire is None:
            self._wire = Wire(self._port, timeout_s=BOUND_S)
        return self._wire

    def send(self, request: Request) -> None:
        """Send, and judge what comes back.

        Raises:
            Wrong: the answer must not be so, or there is none where one must be.
        """
        if request.answers == 0:
            self.close()
        wire = self._connection()
        keep = request.answers > 0
        try:
            responses = self._exchange(wire, request)
        except TimeoutError:
            raise Wrong(f"no answer within {BOUND_S:g} s") from None
        except (WireError, OSError) as error:  # it may end the connection while it is being sent to
            self.close()
            if request.answers:
                raise Wrong(f"the connection ended without an answer: {error}") from None
            return
        for response in responses:
            judge_response(response)
            keep = keep and response.headers.get("connection", "").lower() != "close"
            self._forget_session(response)
        if not keep:
            self.close()

    def _exchange(self, wire: Wire, request: Request) -> Sequence[Response]:
        wire.send(request.raw)
        if request.is_unfinished:
            wire.end_sending()
        if request.head_only:
            return [wire.receive_head()] if request.raw[:4] == b"HEAD" else [self._without_stream(wire)]
        return [wire.receive() for _ in range(max(1, request.answers))]

    @staticmethod
    def _without_stream(wire: Wire) -> Response:
        head = wire.receive_head()
        return Response(head.status, {**head.headers, "content-type": ""}, b"") if head.status != 200 else head

    def _forget_session(self, response: Response) -> None:
        """End a session that a generated `initialize` opened: nobody goes on with it."""
        session = response.headers.get("mcp-session-id")
        if session and session != self.session and response.status == 200:
            end_session(self._port, session)


def open_session(port: int) -> str:
    """Shake hands as a client of the handshake era does; the session's id."""
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}
    hello: Json = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    with Wire(port, timeout_s=BOUND_S) as wire:
        response = wire.exchange(post(hello, headers={}, port=port))
        session = response.headers["mcp-session-id"]
        headers = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
        wire.exchange(post({"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers, port=port))
    return session


def end_session(port: int, session: str) -> None:
    lines = ["DELETE /mcp HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Mcp-Session-Id: {session}"]
    lines += [f"MCP-Protocol-Version: {LEGACY}", "", ""]
    with Wire(port, timeout_s=BOUND_S) as wire:
        wire.exchange("\r\n".join(lines).encode())


def assert_serves(port: int) -> None:
    """Good calls of both eras are answered rightly."""
    for tool_name in ("local__echo", "remote__echo"):
        answer = call_tool(port, tool_name, {"text": "still here"}, timeout_s=BOUND_S)
        if answer.get("result", {}).get("content") != [{"type": "text", "text": "still here"}]:
            raise Wrong(f"{tool_name} is not served any more: {str(answer)[:300]}")
    session = open_session(port)
    call: Json = {"jsonrpc": "2.0", "id": 5, "method": "tools/call"}
    call["params"] = {"name": "local__echo", "arguments": {"text": "old friend"}}
    with Wire(port, timeout_s=BOUND_S) as wire:
        headers = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
        messages = wire.exchange(post(call, headers=headers, port=port)).messages()
    end_session(port, session)
    if messages[-1].get("result", {}).get("content") != [{"type": "text", "text": "old friend"}]:
        raise Wrong(f"clients of the handshake era are not served any more: {str(messages)[:300]}")


def run_numbers(port: int, seed: int, numbers: range, *, modern: bool, findings: list[str], keep_in: Path) -> None:
    """Send the requests of these numbers; each one that was answered wrongly is noted and kept as a file."""
    sender = Sender(port, modern=modern)
    era = "modern" if modern else "legacy"
    for count, number in enumerate(numbers):
        if len(findings) >= 10:
            break
        if not modern and count % CHECK_EACH == 0:
            sender.session = open_session(port)
        request = build_request(random_of(seed, number), port=port, modern=modern, session=sender.session)
        try:
            sender.send(request)
            if count % CHECK_EACH == CHECK_EACH - 1:
                assert_serves(port)
        except (Wrong, OSError, WireError, KeyError, ValueError) as error:
            sender.close()
            keep_in.mkdir(parents=True, exist_ok=True)
            path = keep_in / f"http-{era}-{seed}-{number}.bin"
            path.write_bytes(request.raw)
            findings.append(f"{era} message {number} of seed {seed} ({path}): {type(error).__name__}: {error}")
        if not modern and count % CHECK_EACH == CHECK_EACH - 1 and sender.session:
            end_session(port, sender.session)
    sender.close()


def run_http(port: int, seed: int, count: int, *, modern: bool, keep_in: Path, callers: int = 3) -> list[str]:
    """Send `count` requests from several callers at once; what went wrong, one line each."""
    findings: list[str] = []
    threads = [
        threading.Thread(
            target=run_numbers,
            args=(port, seed, range(first, count, callers)),
            kwargs={"modern": modern, "findings": findings, "keep_in": keep_in},
        )
        for first in range(callers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return findings
