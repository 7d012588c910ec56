"""How fast the embedded sidecar is: runs of two steps, one run alone, and many parked runs.

Sidecar, worker and starters are processes of their own; the worker and the client are the unmodified SDK's. Usage:
python -m bench.sidecar [--runs N] [--parked N] [--measured] [--api HOST:GRPC_PORT:PID]; the last measures a sidecar
that is there.
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

import dapr.ext.workflow as wf

from bench.measured import write_section

STARTERS = 16
NOTE = "Runs of two steps and parked ones, on the unmodified SDK's worker and client; memory is resident memory."
LIMITS = {"sidecar_cpu_ms_per_run": 4.0, "alone_p50_ms": 20.0, "parked_mib": 150.0, "wake_p50_ms": 10.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One measurement."""

    runs_per_s: float
    sidecar_cpu_ms_per_run: float
    worker_cpu_ms_per_run: float
    alone_p50_ms: float
    parked: int
    parked_per_s: float
    parked_mib: float
    """Resident memory of the sidecar and the worker with all parked runs."""
    parked_sidecar_mib: float
    wake_p50_ms: float
    """From raising the event to the run's end, seen by the client."""


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def child(arguments: list[str]) -> "Generator[tuple[subprocess.Popen[str], str]]":
    """A process that tells in one line that it is ready."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdin=pipe, stdout=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.stdin.close()
        process.stdout.close()
        process.terminate()
        process.wait(15)


def run_once(client: Any, name: str, value: Any) -> Any:
    run_id = client.schedule_new_workflow(name, input=value, instance_id=uuid.uuid4().hex)
    state = client.wait_for_workflow_completion(run_id, timeout_in_seconds=120)
    return json.loads(state.serialized_output)


def measure(client: Any, sidecar_pid: int, worker_pid: int, *, runs: int, parked: int) -> Findings:
    def two_steps(number: int) -> Any:
        return run_once(client, "two_steps", number)

    def park(run_id: str) -> None:
        client.schedule_new_workflow("parked", instance_id=run_id)

    with ThreadPoolExecutor(STARTERS) as starters:
        list(starters.map(two_steps, range(STARTERS * 2)))  # warm
        sidecar_before, worker_before, began = cpu_s(sidecar_pid), cpu_s(worker_pid), time.perf_counter()
        results = list(starters.map(two_steps, range(runs)))
        took = time.perf_counter() - began
        sidecar_cpu, worker_cpu = cpu_s(sidecar_pid) - sidecar_before, cpu_s(worker_pid) - worker_before
        assert results == [n + 2 for n in range(runs)]
        alone: list[float] = []
        for number in range(50):
            began = time.perf_counter()
            run_once(client, "two_steps", number)
            alone.append(time.perf_counter() - began)
        ids = [f"parked-{uuid.uuid4().hex}" for _ in range(parked)]
        began = time.perf_counter()
        list(starters.map(park, ids))
        for run_id in ids[-STARTERS:]:
            client.wait_for_workflow_start(run_id, timeout_in_seconds=300)
        parking_s = time.perf_counter() - began
    sidecar_mib, worker_mib = resident_mib(sidecar_pid), resident_mib(worker_pid)
    woken: list[float] = []
    for run_id in ids[:: max(1, parked // 50)]:
        began = time.perf_counter()
        client.raise_workflow_event(run_id, "go", data=1)
        client.wait_for_workflow_completion(run_id, timeout_in_seconds=60)
        woken.append(time.perf_counter() - began)
    return Findings(
        runs_per_s=round(runs / took, 1),
        sidecar_cpu_ms_per_run=round(sidecar_cpu * 1000 / runs, 2),
        worker_cpu_ms_per_run=round(worker_cpu * 1000 / runs, 2),
        alone_p50_ms=round(statistics.median(alone) * 1000, 1),
        parked=parked,
        parked_per_s=round(parked / parking_s, 1),
        parked_mib=round(sidecar_mib + worker_mib, 1),
        parked_sidecar_mib=round(sidecar_mib, 1),
        wake_p50_ms=round(statistics.median(woken) * 1000, 1),
    )


def _table(findings: Findings) -> list[tuple[str, str, str, str]]:
    rows = [("what", "wanted", "measured", "")]
    for name, value in asdict(findings).items():
        limit = LIMITS.get(name)
        wanted, verdict = ("", "") if limit is None else (f"≤ {limit:g}", "ok" if value <= limit else "MISS")
        rows.append((name.replace("_per_", "/").replace("_", " "), wanted, f"{value:g}", verdict))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sidecar", description=__doc__)
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--parked", type=int, default=10_000)
    parser.add_argument(
        "--measured", action="store_true", help="write the section of docs/measured.md; then a miss is no failure"
    )
    parser.add_argument("--api", help="HOST:GRPC_PORT:PID of a sidecar that runs already, such as daprd")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    with contextlib.ExitStack() as stack:
        if chosen.api:
            host, port, pid = chosen.api.split(":")
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sidecar-bench-"))
            arguments = ["hub.sidecar", "--db", f"{folder}/s.db", "--grpc-port", "0", "--http-port", "0"]
            process, line = stack.enter_context(child(arguments))
            host, port, pid = "127.0.0.1", str(json.loads(line)["grpc_port"]), str(process.pid)
        worker, _ = stack.enter_context(child(["bench.sidecar_worker", host, port]))
        client: Any = wf.DaprWorkflowClient(host=host, port=port)
        findings = measure(client, int(pid), worker.pid, runs=chosen.runs, parked=chosen.parked)
        client.close()
    print(json.dumps(asdict(findings), indent=2))
    if chosen.measured:
        write_section("The embedded sidecar", _table(findings), note=NOTE)
    missed = [name for name, limit in LIMITS.items() if getattr(findings, name) > limit]
    for name in missed:
        print(f"{name}: {getattr(findings, name)}, wanted at most {LIMITS[name]}", file=sys.stderr)
    return 1 if missed and not chosen.measured else 0


if __name__ == "__main__":
    sys.exit(main())
