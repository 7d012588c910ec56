"""The embedded sidecar beside Dapr's own with Redis: runs of two steps on the unmodified SDK, in turns.

Each round has a worker process of its own on each of the two. Where Dapr's programs are not found (`make dapr`), it
says so and measures nothing. Usage: python -m bench.sidecars [--runs N] [--rounds N] [--measured].
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dapr.ext.workflow as wf

from bench.measured import write_section
from bench.processes import cpu_s
from bench.sidecar import STARTERS, child, run_once
from tests.tooling.dapr import find_programs, open_dapr

LEAST_RATIO, MOST_SIDECAR_MS = 1.3, 4.0
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A sidecar that is up."""

    name: str
    port: int
    pids: Sequence[int]
    """The processes whose CPU is the sidecar's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round on one sidecar."""

    runs_per_s: float
    sidecar_ms: float
    """CPU a run."""
    worker_ms: float
    client_ms: float


def measure(side: Side, runs: int) -> Round:
    with child(["bench.sidecar_worker", HOST, str(side.port)]) as (worker, _):
        client: Any = wf.DaprWorkflowClient(host=HOST, port=str(side.port))

        def two_steps(number: int) -> Any:
            return run_once(client, "two_steps", number)

        try:
            with ThreadPoolExecutor(STARTERS) as starters:
                list(starters.map(two_steps, range(STARTERS * 2)))  # warm
                sidecar_s, worker_s, own_s = cpu_s(side.pids), cpu_s((worker.pid,)), time.process_time()
                began = time.perf_counter()
                results = list(starters.map(two_steps, range(runs)))
                took_s = time.perf_counter() - began
            assert results == [number + 2 for number in range(runs)]
            return Round(
                runs_per_s=runs / took_s,
                sidecar_ms=1_000 * (cpu_s(side.pids) - sidecar_s) / runs,
                worker_ms=1_000 * (cpu_s((worker.pid,)) - worker_s) / runs,
                client_ms=1_000 * (time.process_time() - own_s) / runs,
            )
        finally:
            client.close()


def compare(sides: Sequence[Side], *, runs: int, rounds: int) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side.name].append(measure(side, runs))
    return found


def open_sides(stack: ExitStack, programs: Path) -> list[Side]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sidecars-bench-")))
    database = str(folder / "s.db")
    command = ["hub.sidecar", "--db", database, "--grpc-port", "0", "--http-port", "0"]
    process, told = stack.enter_context(child(command))
    real = stack.enter_context(open_dapr(programs, folder / "dapr", "redis"))
    return [
        Side(name="embedded", port=int(json.loads(told)["grpc_port"]), pids=(process.pid,)),
        Side(name="Dapr with Redis", port=real.ports.grpc, pids=pids_of("daprd", str(real.ports.grpc))),
    ]


def pids_of(program: str, word: str) -> list[int]:
    """The processes of that program with that word on their command line."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it ended meanwhile
            continue
        if Path(words[0]).name == program and word in words:
            found.append(int(entry.name))
    return found


def judge(found: dict[str, list[Round]]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The figures, and the bars."""

    def middle(rounds: Sequence[Round], name: str) -> float:
        return statistics.median(float(getattr(each, name)) for each in rounds)

    names = ("runs_per_s", "sidecar_ms", "worker_ms", "client_ms")
    figures: list[tuple[str, ...]] = [
        ("sidecar", "runs/s", "sidecar CPU ms/run", "worker CPU ms/run", "client CPU ms/run"),
        *((who, *(f"{middle(rounds, name):.3g}" for name in names)) for who, rounds in found.items()),
    ]
    embedded, real = found.values()
    ratio = statistics.median(a.runs_per_s / b.runs_per_s for a, b in zip(embedded, real, strict=True))
    own = middle(embedded, "sidecar_ms")
    bars: list[tuple[str, ...]] = [
        ("what", "wanted", "measured", ""),
        (
            "runs a second against Dapr with Redis",
            f"≥ {LEAST_RATIO:g} ×",
            f"{ratio:.2f}",
            "ok" if ratio >= LEAST_RATIO else "MISS",
        ),
        (
            "the embedded sidecar's own CPU a run",
            f"≤ {MOST_SIDECAR_MS:g} ms",
            f"{own:.2f}",
            "ok" if own <= MOST_SIDECAR_MS else "MISS",
        ),
    ]
    return figures, bars


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sidecars", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measured", action="store_true", help="write the sections of docs/measured.md")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    programs = find_programs()
    if programs is None:
        print("bench.sidecars: Dapr's own programs were not found (make dapr): nothing to compare with")
        return 0
    with ExitStack() as stack:
        figures, bars = judge(compare(open_sides(stack, programs), runs=chosen.runs, rounds=chosen.rounds))
    for row in (*figures, *bars):
        print("  ".join(f"{cell:>20}" for cell in row))
    if chosen.measured:
        note = f"Medians of {chosen.rounds} rounds in turns, {chosen.runs} runs each, {STARTERS} starters."
        write_section("The embedded sidecar beside Dapr's own", figures, note=note)
        write_section("The embedded sidecar beside Dapr's own, against its bars", bars)
    return 0


if __name__ == "__main__":
    sys.exit(main())
