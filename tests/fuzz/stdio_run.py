"""Write generated lines to a hub on its standard input, judge each line that it answers."""

import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.fuzz.messages import LEGACY, build_body, random_of
from tests.fuzz.values import odd_value, write
from tests.fuzz.verdict import Wrong, judge_line
from tests.tooling.wire import Json, envelope

BOUND_S = 30.0
CHECK_EACH = 50


class Pipe:
    """A hub on a pipe: lines in, lines out."""

    def __init__(self, command: Sequence[str], *, env: dict[str, str], cwd: Path, log: Path) -> None:
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=env, cwd=cwd
            )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def answer_to(self, message: Json) -> Json:
        """Send a good request and wait for its answer; all that comes before is judged too."""
        self.write(json.dumps(message).encode())
        while True:
            try:
                line = self._lines.get(timeout=BOUND_S)
            except queue.Empty:
                raise Wrong(f"a good request was not answered within {BOUND_S:g} s") from None
            if not line:
                raise Wrong(f"the hub ended with {self._process.wait()}")
            answer = judge_line(line)
            if answer.get("id") == message["id"]:
                return answer

    def close(self) -> int:
        """Close the pipe; the hub's exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            return self._process.wait(BOUND_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()


def good_call(number: int, *, modern: bool) -> Json:
    params: Json = {"name": "local__echo", "arguments": {"text": "still here"}}
    if modern:
        params["_meta"] = envelope()
    return {"jsonrpc": "2.0", "id": f"good-{number}", "method": "tools/call", "params": params}


def begin(pipe: Pipe, *, modern: bool) -> None:
    """The first messages: they decide the era of the pipe."""
    if modern:
        pipe.answer_to({"jsonrpc": "2.0", "id": "d", "method": "server/discover", "params": {"_meta": envelope()}})
        return
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}
    pipe.answer_to({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": params})
    pipe.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')


def assert_serves(pipe: Pipe, number: int, *, modern: bool) -> None:
    answer = pipe.answer_to(good_call(number, modern=modern))
    if answer.get("result", {}).get("content") != [{"type": "text", "text": "still here"}]:
        raise Wrong(f"the tool is not served any more: {str(answer)[:300]}")


def build_line(random: Random, *, modern: bool) -> bytes:
    """One line, mostly no good message. What is said to be a response to nobody's request is in it too."""
    if random.random() < 0.02:
        data = write(odd_value(random)).encode("utf-8", "surrogatepass")
    else:
        data = build_body(random, modern=modern).data
    return data.replace(b"\n", b" ").replace(b"\r", b" ")


def run_stdio(pipe: Pipe, seed: int, count: int, *, modern: bool, keep_in: Path) -> list[str]:
    """Write `count` lines with a good call behind each fifty; what went wrong."""
    begin(pipe, modern=modern)
    sent: list[bytes] = []
    for number in range(count):
        line = build_line(random_of(seed, number), modern=modern)
        sent.append(line)
        try:
            pipe.write(line)
            if number % CHECK_EACH == CHECK_EACH - 1:
                assert_serves(pipe, number, modern=modern)
                sent.clear()
        except (Wrong, OSError) as error:
            keep_in.mkdir(parents=True, exist_ok=True)
            path = keep_in / f"stdio-{'modern' if modern else 'legacy'}-{seed}-{number}.jsonl"
            path.write_bytes(b"\n".join(sent) + b"\n")
            return [f"one of the last {len(sent)} lines up to {number} of seed {seed} ({path}): {error}"]
    return []
