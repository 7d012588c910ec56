"""A client of one host that sends what it is told to, in either era, and keeps the host's state if it is asked to."""

import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from adapters.host import HOST_PROGRAM

Json = dict[str, Any]

WAIT_S = 120.0
MODERN = "2026-07-28"


class HostGoneError(Exception):
    """The host ended before it answered."""


@dataclass(kw_only=True)
class Pending:
    """A request that was sent."""

    request_id: int
    future: "Future[Json]" = field(default_factory=Future["Json"])
    progress: list[Json] = field(default_factory=list[Json])

    def reply(self) -> Json:
        """Wait for the whole reply."""
        return self.future.result(WAIT_S)

    def result(self) -> Json:
        """Wait for the result."""
        reply = self.reply()
        assert "result" in reply, reply
        return cast("Json", reply["result"])


class RawHost:
    """One host process."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], state: dict[str, str] | None) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(env)
        )
        self.state = state
        self.state_calls: list[str] = []
        self.answer_question: Callable[[Json], Json] = lambda _: {"action": "decline"}
        self.errors: list[str] = []
        self.strange: list[bytes] = []
        """Lines on standard output that are no messages."""
        self._pending: dict[int, Pending] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self.process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, message: Any) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        assert self.process.stdin is not None
        with self._lock:
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def submit(self, method: str, params: Json | None = None) -> Pending:
        """Send a request."""
        pending = Pending(request_id=next(self._numbers))
        self._pending[pending.request_id] = pending
        try:
            self.send({"jsonrpc": "2.0", "id": pending.request_id, "method": method, "params": params or {}})
        except BrokenPipeError:
            pending.future.set_exception(HostGoneError())
        return pending

    def submit_call(
        self,
        name: str,
        arguments: Json,
        *,
        key: str | None = None,
        answers: Mapping[str, Json] | None = None,
        request_state: str | None = None,
        thread: str | None = None,
        context: Json | None = None,
        modern: bool = True,
        can_answer: bool = True,
    ) -> Pending:
        """Send a `tools/call` with a progress token of its own."""
        number = next(self._numbers)
        meta: Json = {"progressToken": f"p{number}"}
        given = {"hub/idempotencyKey": key, "hub/thread": thread, "hub/context": context}
        meta |= {name: value for name, value in given.items() if value is not None}
        if modern:
            meta |= envelope(keeps_state=self.state is not None, can_answer=can_answer)
        params: Json = {"name": name, "arguments": arguments, "_meta": meta}
        if answers is not None:
            params["inputResponses"] = dict(answers)
        if request_state is not None:
            params["requestState"] = request_state
        pending = Pending(request_id=number)
        self._pending[number] = pending
        try:
            self.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        except BrokenPipeError:
            pending.future.set_exception(HostGoneError())
        return pending

    def call(self, name: str, arguments: Json, **options: Any) -> Json:
        """Call a tool and wait for its result."""
        return self.submit_call(name, arguments, **options).result()

    def tools(self) -> dict[str, Json]:
        """List the tools, by name."""
        listed = self.submit("tools/list", {"_meta": envelope()}).result()["tools"]
        return {tool["name"]: tool for tool in cast("list[Json]", listed)}

    def shake_hands(self, version: str = "2025-11-25", *, capabilities: Json | None = None) -> Json:
        """Open the legacy era."""
        declared: Json = {"elicitation": {}} if capabilities is None else capabilities
        if self.state is not None:
            declared = {**declared, "extensions": {"hub/state": {}}}
        client = {"name": "test", "version": "1"}
        params = {"protocolVersion": version, "capabilities": declared, "clientInfo": client}
        result = self.submit("initialize", params).result()
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    def cancel(self, pending: Pending) -> None:
        params = {"requestId": pending.request_id}
        self.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    def has_logged(self, text: str) -> bool:
        """Whether this comes on its stderr, which is read beside its answers."""
        ends_at = time.monotonic() + 10
        while not any(text in line for line in self.errors):
            if time.monotonic() > ends_at:
                return False
            time.sleep(0.02)
        return True

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()
        self._join()

    def close(self) -> int:
        """End the process as a client does: its input ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self._join()

    def wait(self) -> int:
        """Wait for the end of a process that was told to stop."""
        return self._join()

    def _join(self) -> int:
        code = self.process.wait(WAIT_S)
        for thread in self._threads:
            thread.join(WAIT_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        return code

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            try:
                message: Any = json.loads(line)
            except ValueError:
                self.strange.append(line)
                continue
            for one in cast("list[Json]", message) if isinstance(message, list) else [cast("Json", message)]:
                self._take(one)
        for pending in tuple(self._pending.values()):
            if not pending.future.done():
                pending.future.set_exception(HostGoneError())

    def _take(self, message: Json) -> None:
        if message.get("method") == "notifications/progress":
            number = int(str(message["params"]["progressToken"]).removeprefix("p"))
            if number in self._pending:
                self._pending[number].progress.append(message["params"])
        elif "method" in message:
            self._serve(message)
        else:
            pending = self._pending.get(message["id"])
            if pending is not None:
                pending.future.set_result(message)

    def _serve(self, message: Json) -> None:
        method, params = str(message["method"]), cast("Json", message.get("params", {}))
        if method == "elicitation/create":
            reply = {"jsonrpc": "2.0", "id": message["id"], "result": self.answer_question(params)}
        elif self.state is not None and method.startswith("hub/state/"):
            reply = self.serve_state(message)
        else:
            return
        try:
            self.send(reply)
        except (BrokenPipeError, ValueError):
            return

    def serve_state(self, message: Json) -> Json:
        """Answer one request for the host's state."""
        return {"jsonrpc": "2.0", "id": message["id"], "result": self._keep(message["method"], message["params"])}

    def _keep(self, method: str, params: Json) -> Json:
        assert self.state is not None
        self.state_calls.append(method)
        if method.endswith("get"):
            return {"values": {key: self.state[key] for key in params["keys"] if key in self.state}}
        if method.endswith("put"):
            self.state.update(params["items"])
        for key in params.get("keys", ()):
            self.state.pop(key, None)
        return {}

    def _read_errors(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.errors.append(line.decode(errors="replace"))


def envelope(*, keeps_state: bool = False, can_answer: bool = True) -> Json:
    """What each request of the modern era carries."""
    capabilities: Json = {"elicitation": {"form": {}}} if can_answer else {}
    if keeps_state:
        capabilities["extensions"] = {"hub/state": {}}
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }


def accept(**content: Any) -> Json:
    """A person's answer."""
    return {"action": "accept", "content": content}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCommand:
    """How a host is started."""

    python: Path
    project: Path
    targets: tuple[str, ...]
    env: Mapping[str, str]
    more: tuple[str, ...] = ()

    def arguments(self, *more: str) -> list[str]:
        targets = itertools.chain.from_iterable(("--target", target) for target in self.targets)
        return [str(HOST_PROGRAM), *targets, "--project", str(self.project), *self.more, *more]

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
        return {**kept, **self.env}

    @contextmanager
    def open(self, *, state: dict[str, str] | None = None) -> Generator[RawHost]:
        """Start a host, and end it."""
        host = RawHost([str(self.python), *self.arguments()], self.environment(), state)
        try:
            yield host
        finally:
            if host.process.poll() is None:
                host.kill()
            else:
                host.wait()
