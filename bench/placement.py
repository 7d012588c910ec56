"""Where the embedded sidecar lives: in the event loop of the program that uses it, in a thread of it, or in a process.

Each round is a program of its own with the hub's worker and 16 starters of two-step runs in it; the places take turns,
in an order that changes. Usage: python -m bench.placement [--runs N] [--rounds N] [--measured].
"""

import argparse
import contextlib
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
from anyio.from_thread import start_blocking_portal

from bench.measured import write_section
from bench.processes import cpu_s, together_mb
from bench.sidecar import child
from bench.workflows import STARTERS, add, two_steps
from hub.sidecar import SidecarSettings
from hub.sidecar.server import open_sidecar
from hub.workflows import DaprAddress, Functions, Runs, open_connection, open_worker

HERE = "event loop"
PLACES = (HERE, "thread", "process")
NOTE = (
    "The hub's worker and {starters} starters of two-step runs in one program, the sidecar in its event loop, in a "
    "thread with a loop of its own, or in a process beside it. Medians of {rounds} rounds of {runs} runs in turns; in "
    "brackets the median of the ratios to the event loop in the same round. Late: how long anything else in the "
    "program's loop waits while runs go on. Memory is that of all processes, what they share once."
)
_TICK_S = 0.005
_ALONE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One program with the sidecar in one place."""

    runs_per_s: float
    cpu_ms_per_run: float
    """Of all processes."""
    alone_p50_ms: float
    late_p50_ms: float
    late_p99_ms: float
    start_ms: float
    """From nothing but imported modules to a sidecar that answers."""
    memory_mib: float


@contextlib.asynccontextmanager
async def open_placed(place: str, database: Path) -> AsyncGenerator[tuple[int, Sequence[int]]]:
    """A sidecar in that place: its port, and the processes of which something is to be told."""
    settings = SidecarSettings(db_path=database)
    if place == "process":
        command = ["hub.sidecar", "--db", str(database), "--grpc-port", "0", "--http-port", "0"]
        with child(command) as (process, told):
            yield int(json.loads(told)["grpc_port"]), (os.getpid(), process.pid)
    elif place == "thread":
        with (
            start_blocking_portal(backend_options={"use_uvloop": True}) as portal,
            portal.wrap_async_context_manager(open_sidecar(settings)) as sidecar,
        ):
            yield sidecar.grpc_port, (os.getpid(),)
    else:
        async with open_sidecar(settings) as sidecar:
            yield sidecar.grpc_port, (os.getpid(),)


async def measure(place: str, runs: int) -> Round:
    """One round, in this process."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="placement-bench-") as folder:
        async with open_placed(place, Path(folder) / "s.db") as (port, pids):
            start_s = time.perf_counter() - began
            async with (
                open_connection(DaprAddress(grpc_port=port)) as connection,
                open_worker(connection, Functions([two_steps], [add])),
            ):
                return await _measure(Runs(connection), pids, runs, start_s)


async def _measure(client: Runs, pids: Sequence[int], runs: int, start_s: float) -> Round:
    async def once(number: int) -> None:
        assert await client.run(two_steps, {"x": number}, timeout_s=120) == {"r": number + 2}

    async def all_of(numbers: range) -> None:
        waiting = iter(numbers)

        async def start_some() -> None:
            for number in waiting:
                await once(number)

        async with anyio.create_task_group() as group:
            for _ in range(STARTERS):
                group.start_soon(start_some)

    await all_of(range(STARTERS * 2))  # warm
    late_s: list[float] = []
    cpu_before, began = cpu_s(pids), time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(_tick, late_s)
        await all_of(range(runs))
        group.cancel_scope.cancel()
    took_s, cpu_used_s = time.perf_counter() - began, cpu_s(pids) - cpu_before
    alone_s: list[float] = []
    for number in range(_ALONE):
        began = time.perf_counter()
        await once(number)
        alone_s.append(time.perf_counter() - began)
    late_s.sort()
    return Round(
        runs_per_s=runs / took_s,
        cpu_ms_per_run=1_000 * cpu_used_s / runs,
        alone_p50_ms=1_000 * statistics.median(alone_s),
        late_p50_ms=1_000 * statistics.median(late_s),
        late_p99_ms=1_000 * late_s[int(len(late_s) * 0.99)],
        start_ms=1_000 * start_s,
        memory_mib=together_mb(pids),
    )


async def _tick(late_s: list[float]) -> None:
    """Note how much later than asked for this task is woken."""
    while True:
        began = time.perf_counter()
        await anyio.sleep(_TICK_S)
        late_s.append(time.perf_counter() - began - _TICK_S)


def compare(runs: int, rounds: int) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {place: [] for place in PLACES}
    for _ in range(rounds):
        for place in random.sample(PLACES, len(PLACES)):
            command = [sys.executable, "-m", "bench.placement", "--place", place, "--runs", str(runs)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[place].append(Round(**json.loads(done.stdout)))
    return found


def to_rows(found: Mapping[str, Sequence[Round]]) -> list[tuple[str, ...]]:
    """One line a figure, with the ratio to the event loop of the same round."""
    rows: list[tuple[str, ...]] = [("what", *found)]
    for name in asdict(found[HERE][0]):
        here = [float(getattr(each, name)) for each in found[HERE]]
        cells: list[str] = []
        for place, rounds in found.items():
            values = [float(getattr(each, name)) for each in rounds]
            ratio = statistics.median(mine / theirs for mine, theirs in zip(values, here, strict=True))
            cells.append(f"{statistics.median(values):.3g}" + ("" if place == HERE else f" ({ratio:.2f} ×)"))
        rows.append((name.replace("_per_", "/").replace("_", " "), *cells))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.placement", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measured", action="store_true", help="write the section of docs/measured.md")
    parser.add_argument("--place", choices=PLACES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    if chosen.place is not None:
        found = anyio.run(measure, chosen.place, chosen.runs, backend_options={"use_uvloop": True})
        print(json.dumps(asdict(found)))
        return 0
    rows = to_rows(compare(chosen.runs, chosen.rounds))
    for row in rows:
        print("  ".join(f"{cell:>18}" for cell in row))
    if chosen.measured:
        note = NOTE.format(starters=STARTERS, rounds=chosen.rounds, runs=chosen.runs)
        write_section("Where the embedded sidecar lives", rows, note=note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
