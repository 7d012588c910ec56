"""What the host adds to a crew, a graph and a function: `python -m bench.hosted`.

Bare runs and runs through the host take turns, so that other load on the machine meets both alike.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from adapters.host import HOST_PROGRAM
from bench.inprocess import measure_pairs
from bench.measured import Row, write_section
from bench.saver import measure_store

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
PROJECTS = ROOT / "tests" / "envs"
ROUNDS = 5
MOST_FIRST_S, MOST_MIB = 0.15, 40.0
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
}


class PipeClient:
    """One request after the other."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._count = 0

    def request(self, method: str, **params: Any) -> Json:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._count += 1
        message = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": {"_meta": META, **params}}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        reply: Json = json.loads(self.process.stdout.readline())
        return cast("Json", reply["result"])

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def open_host(python: Path, project: str, target: str) -> Generator[PipeClient]:
    command = [str(python), str(HOST_PROGRAM), "--target", target, "--project", str(PROJECTS / project)]
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )
    try:
        yield PipeClient(process)
    finally:
        process.kill()
        process.wait()


def measure_start(python: Path, project: str, target: str) -> tuple[float, float, float]:
    """Give seconds to the first answer, seconds to the list of tools, MiB then."""
    started = time.perf_counter()
    with open_host(python, project, target) as client:
        client.request("server/discover")
        first_s = time.perf_counter() - started
        client.request("tools/list")
        return first_s, time.perf_counter() - started, client.resident_mib()


def measure_calls(client: PipeClient, tool: str, arguments: Json, count: int) -> list[float]:
    spent: list[float] = []
    for _ in range(count):
        started = time.perf_counter()
        answer = client.request("tools/call", name=tool, arguments=arguments)
        spent.append(time.perf_counter() - started)
        assert answer["isError"] is False, answer
    return spent


def measure_bare(python: Path, project: str, count: int) -> list[float]:
    folder = PROJECTS / project
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **QUIET}
    done = subprocess.run(
        [str(python), "bench_targets.py", str(count)], cwd=folder, env=env, capture_output=True, check=True, text=True
    )
    return cast("list[float]", json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something hosted, and what the host may add to it."""

    name: str
    python: Path
    project: str
    target: str
    arguments: Json = field(default_factory=dict[str, Any])
    count: int = 0
    """Calls a round; 0: only its start is measured."""
    most_added_ms: float = 0.0


def cases() -> list[Case]:
    crewai, langgraph = (ROOT / "envs" / name / ".venv" / "bin" / "python" for name in ("crewai", "langgraph"))
    return [
        Case(
            name="function",
            python=Path(sys.executable),
            project="functions_project",
            target="function:functions:point_of",
        ),
        Case(
            name="2-node graph",
            python=langgraph,
            project="langgraph_project",
            target="graph:bench_targets:bench_graph",
            arguments={"text": "a"},
            count=200,
            most_added_ms=6.0,
        ),
        Case(
            name="crew, 2 agents",
            python=crewai,
            project="crewai_project",
            target="crew:bench_targets:bench_crew",
            arguments={"topic": "sun"},
            count=30,
            most_added_ms=5.0,
        ),
    ]


def measure_case(case: Case) -> list[Row]:
    starts = [measure_start(case.python, case.project, case.target) for _ in range(ROUNDS)]
    first_s, tools_s, mib = (statistics.median(column) for column in zip(*starts, strict=True))
    rows = [
        judged(f"{case.name}: first answer after the start", first_s, MOST_FIRST_S, "s"),
        (f"{case.name}: tools listed after the start, the framework loaded", "", f"{tools_s:.3g} s", ""),
        judged(f"{case.name}: memory of the host alone", mib, MOST_MIB, "MiB")
        if case.name == "function"
        else (f"{case.name}: memory with the framework", "", f"{mib:.3g} MiB", ""),
    ]
    if case.count:
        bare: list[float] = []
        added: list[float] = []
        with open_host(case.python, case.project, case.target) as client:
            tool = str(client.request("tools/list")["tools"][0]["name"])
            measure_calls(client, tool, case.arguments, 5)
            for _ in range(ROUNDS):
                bare.append(statistics.median(measure_bare(case.python, case.project, case.count)) * 1000)
                hosted = statistics.median(measure_calls(client, tool, case.arguments, case.count)) * 1000
                added.append(hosted - bare[-1])
        rows += [
            (f"{case.name}: a bare run", "", f"{statistics.median(bare):.3g} ms", ""),
            judged(f"{case.name}: what the host adds", statistics.median(added), case.most_added_ms, "ms"),
        ]
    return rows


def measure_without_host() -> list[Row]:
    """Measure a graph in the hub's process, and with the durable saver."""
    project = PROJECTS / "langgraph_project"
    pairs = measure_pairs(project, "bench_targets", 200)
    kept = measure_store(project, "bench_targets", 100)
    return [
        ("2-node graph in process: a bare run", "", f"{pairs.bare:.3g} ms", ""),
        judged("2-node graph in process: what the hub adds", pairs.added, 1.5, "ms"),
        ("2-node graph in process: what a call with a key adds", "", f"{pairs.keyed:.3g} ms", ""),
        ("2-node graph, durable saver: a run", "", f"{kept.durable_ms:.3g} ms", ""),
        ("2-node graph, durable saver: store calls a run", "", f"{kept.calls:.3g}", ""),
        judged("2-node graph, durable saver: a store call", kept.call_ms, 2.0, "ms"),
    ]


def judged(what: str, value: float, most: float, unit: str) -> Row:
    return (what, f"≤ {most:g} {unit}", f"{value:.3g} {unit}", "ok" if value <= most else "MISS")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.hosted", description=__doc__)
    parser.add_argument("--measured", action="store_true", help="write the section of docs/measured.md")
    chosen = parser.parse_args()
    head = ("what", "wanted", "measured", "")
    rows = [row for case in cases() for row in measure_case(case)] + measure_without_host()
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if chosen.measured:
        write_section("Adapters", [head, *rows], note="Medians; bare runs and runs through the host take turns.")


if __name__ == "__main__":
    main()
