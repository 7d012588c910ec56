"""What an agent's run costs: two model calls and one tool call, against a model that answers at once.

Three take turns, each in a process of its own with a new start every round: the hub with its sidecar in it, the hub on
Dapr's own programs with Redis, and dapr-agents on the same Dapr. The last two need `make dapr`.
Usage: python -m bench.agents [--runs N] [--at-once N] [--rounds N] [--measured].
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
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import anyio

from bench.measured import write_section
from hub import AgentRunner, DurableAgent, tool
from tests.tooling.dapr import find_programs, open_dapr
from tests.wrapped.environments import synced

MOST_P50_MS = 60.0
MOST_OF_THEIRS = 1 / 3
"""A run on Dapr may take this share of the time and the CPU of dapr-agents."""
EMBEDDED, ON_DAPR, THEIRS = "hub, embedded", "hub on Dapr", "dapr-agents on Dapr"
WARM_UP = 5
THEIR_PROJECT = Path(__file__).parents[1] / "envs" / "dapr_agents"

Found = Mapping[str, float]


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
    asked_for: ClassVar[list[None]] = []

    def do_POST(self) -> None:
        asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked_for.append(None)
        if asked["messages"][-1]["role"] == "tool" or not asked.get("tools"):
            message: dict[str, Any] = {"role": "assistant", "content": "3"}
        else:
            function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
            message = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "a", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        self._send(answer)

    def do_GET(self) -> None:
        """How many calls there were."""
        self._send(len(self.asked_for))

    def _send(self, answer: object) -> None:
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


async def measure(model: str, folder: str, runs: int, at_once: int) -> Found:
    """The hub in this process, on the Dapr that the environment names or an embedded one."""
    async with AgentRunner(Adder(model=model), state_dir=folder) as runner:
        for _ in range(WARM_UP):
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
        "runs": WARM_UP + runs + runs // at_once * at_once,
    }


def compare(runs: int, at_once: int, rounds: int) -> dict[str, Found]:
    """The median of each figure, by who it is of; without Dapr's programs the embedded one alone."""
    sizes = [str(runs), str(at_once)]
    found: dict[str, list[Found]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = stack.enter_context(running_model())
        url, _, name = model.partition("#")
        ours = [sys.executable, "-m", "bench.agents", "--measure", model, str(folder), *sizes]
        contenders: list[tuple[str, Sequence[str], dict[str, str]]] = [(EMBEDDED, ours, {})]
        if (programs := find_programs()) is not None:
            python = synced("dapr_agents")
            setup = stack.enter_context(open_dapr(programs, folder / "dapr", "redis"))
            ports = {"DAPR_GRPC_PORT": str(setup.ports.grpc), "DAPR_HTTP_PORT": str(setup.ports.http)}
            theirs = [str(python), str(THEIR_PROJECT / "agent_run.py"), url, name, *sizes]
            contenders += [(ON_DAPR, ours, ports), (THEIRS, theirs, ports)]
        for _ in range(rounds):
            for who, command, ports in contenders:
                before = _model_calls(url)
                done = subprocess.run(
                    command, env={**os.environ, **ports}, stdout=subprocess.PIPE, text=True, check=True
                )
                told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
                told["model_calls"] = (_model_calls(url) - before) / told.pop("runs")
                found.setdefault(who, []).append(told)
    return {
        who: {figure: statistics.median(each[figure] for each in rounds) for figure in rounds[0]}
        for who, rounds in found.items()
    }


def _model_calls(url: str) -> int:
    with urllib.request.urlopen(url) as answer:
        return int(answer.read())


def tables(found: Mapping[str, Found], at_once: int) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """The figures, and the bars."""
    figures: list[Sequence[str]] = [
        ("who", "alone p50 ms", "CPU ms a run", f"runs/s, {at_once} at once", "model calls a run", "MB")
    ]
    figures += [
        (
            who,
            f"{each['alone_p50_ms']:.0f}",
            f"{each['cpu_ms_per_run']:.1f}",
            f"{each['runs_per_s']:.1f}",
            f"{each['model_calls']:.1f}",
            f"{each['rss_mb']:.0f}",
        )
        for who, each in found.items()
    ]
    alone = found[EMBEDDED]["alone_p50_ms"]
    bars = [(f"{EMBEDDED}: one run alone, p50", f"≤ {MOST_P50_MS:.0f} ms", f"{alone:.0f}", alone <= MOST_P50_MS)]
    if THEIRS in found:
        for what, figure in (("one run alone, p50", "alone_p50_ms"), ("CPU a run", "cpu_ms_per_run")):
            share = found[ON_DAPR][figure] / found[THEIRS][figure]
            bars.append((f"{ON_DAPR}: {what} against dapr-agents", "≤ 0.33 ×", f"{share:.2f}", share <= MOST_OF_THEIRS))
    checks: list[Sequence[str]] = [("what", "wanted", "measured", "")]
    checks += [(what, wanted, measured, "ok" if holds else "MISS") for what, wanted, measured, holds in bars]
    return figures, checks


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.agents", description=__doc__)
    parser.add_argument("--runs", type=int, default=80)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measured", action="store_true", help="write the sections of docs/measured.md")
    parser.add_argument("--model", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.model:
        serve_model()
        return 0
    if options.measure:
        model, folder, runs, at_once = options.measure
        found = anyio.run(
            measure, model, folder, int(runs), int(at_once), backend_options={"use_uvloop": sys.platform != "win32"}
        )
        print(json.dumps(found))
        return 0
    figures, checks = tables(compare(options.runs, options.at_once, options.rounds), options.at_once)
    for row in (*figures, *checks):
        print("  ".join(f"{cell:>20}" for cell in row))
    if options.measured:
        note = (
            "Two model calls and one tool call; Dapr with Redis. CPU and memory: embedded, the sidecar's included. "
            f"Medians of {options.rounds} rounds in turns, {options.runs} runs each way."
        )
        write_section("An agent's run", figures, note=note)
        write_section("An agent's run against its bars", checks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
