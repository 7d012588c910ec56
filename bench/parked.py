"""What runs that wait for an answer hold, and how soon an answer wakes one: through `ctx.ask`, on the embedded sidecar.

Sidecar, worker and client are processes of their own. Each run asks one question; a few of them are answered once all
are parked, and their next step tells when it ran. Usage: python -m bench.parked [--runs N] [--answers N] [--measured].
"""

import argparse
import contextlib
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from bench.measured import write_section
from bench.processes import cpu_s, resident_mb, together_mb
from bench.sidecar import child
from hub.questions import Questions
from hub.workflows import Context, DaprAddress, Functions, Runs, open_connection, open_worker, step, workflow

STARTERS = 16
MOST_MIB, MOST_WAKE_MS = 150.0, 10.0


@step(name="bench_woken_at")
async def woken_at() -> float:
    return time.monotonic()  # one clock for all processes of a machine


@workflow(name="bench_parked")
async def parked(ctx: Context, number: int) -> float:
    await ctx.ask(f"Go on with {number}?")
    return await ctx.step(woken_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One measurement."""

    runs: int
    parked_per_s: float
    empty_mib: float
    """Memory of sidecar and worker before the first run."""
    parked_mib: float
    """The same with all runs parked."""
    resident_mib: float
    """Their resident sizes added up then, so that what they share counts twice."""
    answer_ms: Sequence[float]
    """How long the call took that gives an answer."""
    wake_ms: Sequence[float]
    """From that call's beginning to the run's next step."""
    read_ms: Sequence[float]
    """How long a look at the woken run took, right after: how busy the machine was."""
    wake_cpu_ms: float
    """Of sidecar and worker, for one answer."""


async def serve(port: int) -> None:
    """The worker's process; tells in one line that it is ready."""
    async with open_connection(DaprAddress(grpc_port=port)) as connection:
        functions = Functions([parked], [woken_at])
        Questions(connection).add_steps(functions.steps)
        async with open_worker(connection, functions):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await anyio.sleep_forever()


async def measure(port: int, sidecar_pid: int, worker_pid: int, *, runs: int, answers: int, starters: int) -> Findings:
    async with open_connection(DaprAddress(grpc_port=port)) as connection:
        client, questions = Runs(connection), Questions(connection)
        numbers = iter(range(runs))
        ids: list[str] = []

        async def start() -> None:
            ids.extend([await client.start(parked, {"number": number}) for number in numbers])

        pids = (sidecar_pid, worker_pid)
        empty_mib = together_mb(pids)
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(starters):
                group.start_soon(start)
        question_ids = [await _asked(client, run_id) for run_id in ids]
        took_s = time.monotonic() - began
        parked_mib, resident_mib = together_mb(pids), resident_mb(pids)
        answer_ms: list[float] = []
        wake_ms: list[float] = []
        read_ms: list[float] = []
        cpu_before_s = cpu_s(pids)
        for number in range(0, runs, max(1, runs // answers)):
            asked_at = time.monotonic()
            await questions.answer(question_ids[number], {"action": "accept", "content": {}})
            answer_ms.append(1_000 * (time.monotonic() - asked_at))
            wake_ms.append(1_000 * (await client.result(ids[number], timeout_s=60) - asked_at))
            read_at = time.monotonic()
            await client.status(ids[number])
            read_ms.append(1_000 * (time.monotonic() - read_at))
        cpu_ms = 1_000 * (cpu_s(pids) - cpu_before_s)
    return Findings(
        runs=runs,
        parked_per_s=runs / took_s,
        empty_mib=empty_mib,
        parked_mib=parked_mib,
        resident_mib=resident_mib,
        answer_ms=answer_ms,
        wake_ms=wake_ms,
        read_ms=read_ms,
        wake_cpu_ms=cpu_ms / len(wake_ms),
    )


async def _asked(client: Runs, run_id: str) -> str:
    """The id of the question that the run waits on, once it does."""
    while not (asking := (await client.status(run_id)).asking):  # noqa: ASYNC110 - a state is asked for over the wire
        await anyio.sleep(0.05)
    return asking[0]


def judge(found: Findings) -> list[tuple[str, str, str, str]]:
    """What, wanted, measured, verdict: a row each."""
    wake = statistics.median(found.wake_ms)
    return [
        (
            f"{found.runs:,} runs parked on a question: memory of sidecar and worker, shared files once",
            f"≤ {MOST_MIB:g} MiB",
            f"{found.parked_mib:.1f}",
            _verdict(found.parked_mib <= MOST_MIB),
        ),
        (
            "from the answer to the run's next step, median",
            f"≤ {MOST_WAKE_MS:g} ms",
            f"{wake:.1f}",
            _verdict(wake <= MOST_WAKE_MS),
        ),
        ("from the answer to the run's next step, worst", "", f"{max(found.wake_ms):.1f} ms", ""),
        ("a look at the run at the same time, median", "", f"{statistics.median(found.read_ms):.1f} ms", ""),
        ("memory before the first run", "", f"{found.empty_mib:.1f} MiB", ""),
        ("resident sizes added up, shared files twice", "", f"{found.resident_mib:.1f} MiB", ""),
        ("the answer's call itself, median", "", f"{statistics.median(found.answer_ms):.1f} ms", ""),
        ("CPU of sidecar and worker for an answer", "", f"{found.wake_cpu_ms:.1f} ms", ""),
        ("runs parked a second", "", f"{found.parked_per_s:.0f}", ""),
    ]


def _verdict(holds: bool) -> str:
    return "ok" if holds else "MISS"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.parked", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--starters", type=int, default=STARTERS, help="starts at once (default: %(default)s)")
    parser.add_argument(
        "--measured", action="store_true", help="write the section of docs/measured.md; then a miss is no failure"
    )
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    if chosen.serve is not None:
        anyio.run(serve, chosen.serve, backend_options={"use_uvloop": True})
        return 0
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="parked-bench-"))
        database = str(Path(folder) / "s.db")
        sidecar, line = stack.enter_context(
            child(["hub.sidecar", "--db", database, "--grpc-port", "0", "--http-port", "0"])
        )
        port = int(json.loads(line)["grpc_port"])
        worker, _ = stack.enter_context(child(["bench.parked", "--serve", str(port)]))

        async def measured() -> Findings:
            return await measure(
                port, sidecar.pid, worker.pid, runs=chosen.runs, answers=chosen.answers, starters=chosen.starters
            )

        found = anyio.run(measured, backend_options={"use_uvloop": True})
    rows = judge(found)
    for row in rows:
        print("  ".join(cell for cell in row if cell))
    if chosen.measured:
        write_section("Parked runs", [("what", "wanted", "measured", ""), *rows])
    return 0 if chosen.measured or all(row[3] != "MISS" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
