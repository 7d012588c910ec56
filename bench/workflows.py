"""What a durable function costs beside a bare program on `dapr.ext.workflow` that does the same.

Both run two-step runs on one embedded sidecar, in turns, with 16 starters and one worker process each. Three workers:
`hub` (the hub's own), `sdk` (durable functions on the SDK's worker), `bare` (the SDK's generators on the SDK's worker).
Usage: python -m bench.workflows [--runs N] [--rounds N] [--measured].
"""

import argparse
import contextlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio
import dapr.ext.workflow as wf

from bench.measured import write_section
from hub.workflows import Context, DaprAddress, Functions, Runs, open_connection, open_worker, step, workflow
from hub.workflows.sdk_runtime import register

STARTERS = 16
ALONE = 20
MOST = 1.10
"""A run of the hub may cost this many times a bare one."""
NOTE = "Two-step runs, 16 starters; medians of interleaved rounds with workers of their own; of one run alone the best."
KINDS = ("bare", "hub", "sdk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One round of one kind."""

    runs_per_s: float
    worker_cpu_ms_per_run: float
    client_cpu_ms_per_run: float
    alone_p50_ms: float

    @property
    def cpu_ms_per_run(self) -> float:
        return self.worker_cpu_ms_per_run + self.client_cpu_ms_per_run


@step(name="bench_add")
def add(a: int, b: int) -> int:
    return a + b


@workflow(name="hub_two_steps")
async def two_steps(ctx: Context, x: int) -> dict[str, int]:
    first = await ctx.step(add, x, 1)
    return {"r": await ctx.step(add, first, 1)}


def bare_add(_ctx: Any, pair: Any) -> Any:
    return pair[0] + pair[1]


def bare_two_steps(ctx: Any, x: Any) -> Generator[Any, Any, Any]:
    first = yield ctx.call_activity("bare_add", input=[x, 1])
    second = yield ctx.call_activity("bare_add", input=[first, 1])
    return {"r": second}


# The worker's process


def serve(kind: str, port: int) -> None:
    """Work until the process is ended; tells in one line that it is ready."""
    logging.disable(logging.WARNING)
    if kind == "hub":
        anyio.run(_serve_hub, port, backend_options={"use_uvloop": True})
        return
    runtime: Any = wf.WorkflowRuntime(host="127.0.0.1", port=str(port))
    if kind == "bare":
        runtime.register_workflow(bare_two_steps, name="bare_two_steps")
        runtime.register_activity(bare_add, name="bare_add")
    else:
        register(runtime, Functions([two_steps], [add]))
    runtime.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        time.sleep(3_600)


async def _serve_hub(port: int) -> None:
    async with open_worker(DaprAddress(grpc_port=port), Functions([two_steps], [add])):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


# The measuring process


def measure_bare(port: int, runs: int, worker_pid: int) -> Cost:
    """The SDK's client, one thread a starter."""
    client: Any = wf.DaprWorkflowClient(host="127.0.0.1", port=str(port))

    def once(number: int) -> None:
        run_id = client.schedule_new_workflow("bare_two_steps", input=number, instance_id=uuid.uuid4().hex)
        state = client.wait_for_workflow_completion(run_id, timeout_in_seconds=120)
        assert json.loads(state.serialized_output) == {"r": number + 2}

    def all_of_them() -> None:
        with ThreadPoolExecutor(STARTERS) as starters:
            list(starters.map(once, range(runs)))

    try:
        once(0)
        took_s, worker_ms, client_ms = _timed(all_of_them, worker_pid, runs)
        alone = [_timed(lambda: once(1), worker_pid, 1)[0] for _ in range(ALONE)]
    finally:
        client.close()
    return _cost(runs, took_s, worker_ms, client_ms, alone)


def measure_hub(port: int, runs: int, worker_pid: int) -> Cost:
    """The hub's client, one loop."""

    async def measure() -> Cost:
        async with open_connection(DaprAddress(grpc_port=port)) as connection:
            client = Runs(connection)

            async def once(number: int) -> None:
                assert await client.run(two_steps, {"x": number}, timeout_s=120) == {"r": number + 2}

            await once(0)
            limiter = anyio.CapacityLimiter(STARTERS)

            async def limited(number: int) -> None:
                async with limiter:
                    await once(number)

            before = _Before.now(worker_pid)
            async with anyio.create_task_group() as group:
                for number in range(runs):
                    group.start_soon(limited, number)
            took_s, worker_ms, client_ms = before.until_now(worker_pid, runs)
            alone: list[float] = []
            for _ in range(ALONE):
                began = time.perf_counter()
                await once(1)
                alone.append(time.perf_counter() - began)
        return _cost(runs, took_s, worker_ms, client_ms, alone)

    return anyio.run(measure, backend_options={"use_uvloop": True})


@dataclass(frozen=True, slots=True)
class _Before:
    at: float
    worker_s: float
    own_s: float

    @classmethod
    def now(cls, worker_pid: int) -> "_Before":
        return cls(time.perf_counter(), _cpu_s(worker_pid), time.process_time())

    def until_now(self, worker_pid: int, runs: int) -> tuple[float, float, float]:
        """Seconds, and milliseconds of CPU a run: the worker's and the client's."""
        return (
            time.perf_counter() - self.at,
            1_000 * (_cpu_s(worker_pid) - self.worker_s) / runs,
            1_000 * (time.process_time() - self.own_s) / runs,
        )


def _timed(work: Any, worker_pid: int, runs: int) -> tuple[float, float, float]:
    before = _Before.now(worker_pid)
    work()
    return before.until_now(worker_pid, runs)


def _cost(runs: int, took_s: float, worker_ms: float, client_ms: float, alone: list[float]) -> Cost:
    return Cost(
        runs_per_s=runs / took_s,
        worker_cpu_ms_per_run=worker_ms,
        client_cpu_ms_per_run=client_ms,
        alone_p50_ms=1_000 * statistics.median(alone),
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _child(*arguments: str) -> "Generator[tuple[subprocess.Popen[str], str]]":
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.stdout.close()
        process.kill()
        process.wait(15)


def compare(runs: int, rounds: int) -> dict[str, Cost]:
    """Each figure by kind; the kinds take turns, each round with a worker of its own."""
    found: dict[str, list[Cost]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "bench.db")
        with _child("hub.sidecar", "--db", database, "--grpc-port", "0", "--http-port", "0") as (_, told):
            port = int(json.loads(told)["grpc_port"])
            for _ in range(rounds):
                for kind in KINDS:
                    with _child("bench.workflows", "--serve", kind, "--port", str(port)) as (worker, _ready):
                        measure = measure_bare if kind == "bare" else measure_hub
                        found[kind].append(measure(port, runs, worker.pid))
    return {kind: _typical(costs) for kind, costs in found.items()}


def _typical(costs: list[Cost]) -> Cost:
    """The median of each figure; of one run alone the least disturbed round: its rounds are short, and far apart."""
    figures = {name: statistics.median(asdict(each)[name] for each in costs) for name in asdict(costs[0])}
    return Cost(**{**figures, "alone_p50_ms": min(each.alone_p50_ms for each in costs)})


def _table(costs: dict[str, Cost], cpu: float, alone: float) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("what", "wanted", *costs, "")]
    for name in asdict(costs["bare"]):
        figures = (f"{asdict(cost)[name]:.1f}" for cost in costs.values())
        rows.append((name.replace("_per_", "/").replace("_", " "), "", *figures, ""))
    for what, value in (("CPU of worker and client against bare", cpu), ("one run alone against bare", alone)):
        verdict = "ok" if value <= MOST else "MISS"
        rows.append((what, f"≤ {MOST:g} ×", "1", f"{value:.2f}", "", verdict))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--measured", action="store_true", help="write the section of docs/measured.md; then a miss is no failure"
    )
    parser.add_argument("--serve", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve, given.port)
        return 0
    logging.disable(logging.WARNING)
    costs = compare(given.runs, given.rounds)
    print("kind  runs/s  worker ms/run  client ms/run  alone p50 ms")
    for kind, cost in costs.items():
        print(
            f"{kind:4}  {cost.runs_per_s:6.0f}  {cost.worker_cpu_ms_per_run:13.1f}  {cost.client_cpu_ms_per_run:13.1f}"
            f"  {cost.alone_p50_ms:12.1f}"
        )
    bare, hub = costs["bare"], costs["hub"]
    cpu = hub.cpu_ms_per_run / bare.cpu_ms_per_run
    alone = hub.alone_p50_ms / bare.alone_p50_ms
    holds = cpu <= MOST and alone <= MOST
    verdict = "holds" if holds else "does not hold"
    print(f"a hub run costs {cpu:.2f} times the CPU and {alone:.2f} times the time of a bare one: {verdict} ({MOST})")
    if given.measured:
        write_section("Durable functions beside a bare Dapr program", _table(costs, cpu, alone), note=NOTE)
    return 0 if holds or given.measured else 1


if __name__ == "__main__":
    sys.exit(main())
