"""What the host adds to a crew, a graph and a function: `python -m bench.hosted`.

Bare runs and runs through the host take turns, so that other load on the machine meets both alike.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from adapters.host import HOST_PROGRAM
from bench.inprocess import measure_pairs

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
PROJECTS = ROOT / "tests" / "envs"
ROUNDS = 5
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


def main() -> None:
    """Print the table."""
    crewai, langgraph = (ROOT / "envs" / name / ".venv" / "bin" / "python" for name in ("crewai", "langgraph"))
    cases: list[tuple[str, Path, str, str, Json, int]] = [
        ("function", Path(sys.executable), "functions_project", "function:functions:point_of", {}, 0),
        ("2-node graph", langgraph, "langgraph_project", "graph:bench_targets:bench_graph", {"text": "a"}, 200),
        ("crew, 2 agents", crewai, "crewai_project", "crew:bench_targets:bench_crew", {"topic": "sun"}, 30),
    ]
    table = Table("case", "first answer s", "tools s", "MiB", "bare ms", "hosted ms", "added ms")
    for name, python, project, target, arguments, count in cases:
        starts = [measure_start(python, project, target) for _ in range(ROUNDS)]
        row = [name, f"{min(s[0] for s in starts):.3f}", f"{min(s[1] for s in starts):.2f}", f"{starts[0][2]:.0f}"]
        if count:
            bare: list[float] = []
            hosted: list[float] = []
            with open_host(python, project, target) as client:
                tool = str(client.request("tools/list")["tools"][0]["name"])
                measure_calls(client, tool, arguments, 5)
                for _ in range(ROUNDS):
                    bare.append(statistics.median(measure_bare(python, project, count)) * 1000)
                    hosted.append(statistics.median(measure_calls(client, tool, arguments, count)) * 1000)
            row += [f"{min(bare):.1f}", f"{min(hosted):.1f}", f"{min(hosted) - min(bare):.1f}"]
        table.add_row(*row)
    pairs = min(
        (measure_pairs(PROJECTS / "langgraph_project", "bench_targets", 200) for _ in range(ROUNDS)),
        key=lambda pairs: pairs.added,
    )
    table.add_row("2-node graph in process", "", "", "", f"{pairs.bare:.1f}", f"{pairs.hub:.1f}", f"{pairs.added:.1f}")
    table.add_row("the same, with a key", "", "", "", f"{pairs.bare:.1f}", "", f"{pairs.keyed:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
