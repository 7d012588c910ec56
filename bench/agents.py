"""What an agent's run costs: two model calls and one tool call, against a model that answers at once.

The agent with its sidecar is one process, the model another; `DAPR_GRPC_PORT` names a real Dapr instead.
Usage: python -m bench.agents [--runs N] [--at-once N].
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio

from hub import AgentRunner, DurableAgent, tool

MOST_P50_MS = 60.0


class Adder(DurableAgent):
    @tool
    def add(self, a: int, b: int) -> int:
        """Add two numbers."""
        return a + b


class _Model(BaseHTTPRequestHandler):
    """Asks for one call, then answers: by what it was told, so it holds no state."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer

    def do_POST(self) -> None:
        asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["messages"][-1]["role"] == "tool":
            message: dict[str, Any] = {"role": "assistant", "content": "3"}
        else:
            function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
            message = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "a", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve_model() -> None:
    """Serve until standard input ends; the port is the one line on standard output."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()


@contextlib.contextmanager
def running_model() -> Generator[str]:
    command = [sys.executable, "-m", "bench.agents", "--model"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1#bench"
    finally:
        process.kill()
        process.communicate()


async def measure(model: str, folder: Path, *, runs: int, at_once: int) -> dict[str, float]:
    agent = Adder(model=model)
    async with AgentRunner(agent, state_dir=folder) as runner:
        for _ in range(5):
            await runner.run("What is 1 + 2?")
        alone: list[float] = []
        cpu_s = time.process_time()
        for _ in range(runs):
            began = time.perf_counter()
            await runner.run("What is 1 + 2?")
            alone.append(time.perf_counter() - began)
        cpu_s = time.process_time() - cpu_s
        began = time.perf_counter()

        async def several() -> None:
            for _ in range(runs // at_once):
                await runner.run("What is 1 + 2?")

        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(several)
        together_s = time.perf_counter() - began
    return {
        "alone_p50_ms": statistics.median(alone) * 1000,
        "cpu_ms_per_run": cpu_s / runs * 1000,
        "runs_per_s": runs // at_once * at_once / together_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.agents", description=__doc__)
    parser.add_argument("--runs", type=int, default=80)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--model", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.model:
        serve_model()
        return 0
    real = bool(os.environ.get("DAPR_GRPC_PORT"))
    with running_model() as model, tempfile.TemporaryDirectory() as folder:
        found = anyio.run(
            lambda: measure(model, Path(folder), runs=options.runs, at_once=options.at_once),
            backend_options={"use_uvloop": sys.platform != "win32"},
        )
    whose = "worker" if real else "worker and sidecar"
    print(f"{'real Dapr' if real else 'embedded'}: one run alone p50 {found['alone_p50_ms']:.0f} ms")
    print(
        f"CPU of {whose} {found['cpu_ms_per_run']:.1f} ms a run; {options.at_once} at once {found['runs_per_s']:.1f}/s"
    )
    print(f"memory {found['rss_mb']:.0f} MB")
    return 0 if real or found["alone_p50_ms"] <= MOST_P50_MS else 1


if __name__ == "__main__":
    sys.exit(main())
