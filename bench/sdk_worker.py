"""Where the time of the SDK's worker goes, which limits both sidecars: two-step runs, 16 starters, one worker process.

The worker's functions are timed by the CPU clock of the thread that runs them, each without those that it calls; what
its threads used besides is told by thread, and what no Python thread used is gRPC's own.
Usage: python -m bench.sdk_worker [--runs N] [--measured].
"""

import argparse
import collections
import contextlib
import json
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dapr.ext.workflow as wf
from dapr.ext.workflow._durabletask import worker as sdk_worker

from bench.measured import write_section
from bench.sidecar import STARTERS, child, run_once
from bench.sidecar_worker import build_runtime

_SDK: Any = sdk_worker
TIMED: Mapping[tuple[type, str], str] = {
    (_SDK.TaskHubGrpcWorker, "_send_on_current_connection"): "answers: one blocking call each",
    (_SDK._OrchestrationExecutor, "execute"): "replay of turns",
    (_SDK._ActivityExecutor, "execute"): "activities",
    (_SDK.TaskHubGrpcWorker, "_execute_orchestrator"): "around a turn: history, actions, logging",
    (_SDK.TaskHubGrpcWorker, "_execute_activity"): "around an activity",
}
THREADS: Mapping[str, str] = {
    "WorkerRunLoop": "the event loop that hands work to threads",
    "asyncio": "the threads: taking work, handing back",
    "StreamReader": "reading work items",
    "Thread": "gRPC's Python thread: events of calls",
}
"""By the beginning of the thread's name."""
NATIVE = "gRPC's own threads: sockets, HTTP/2"


class Times:
    """CPU time of this process by place, in seconds, from `begin` on."""

    def __init__(self) -> None:
        self._booked: dict[str, float] = collections.defaultdict(float)
        self._by_thread: dict[int, float] = collections.defaultdict(float)
        self._inner = threading.local()
        self._lock = threading.Lock()
        for (owner, name), place in TIMED.items():
            setattr(owner, name, self._timed(getattr(owner, name), place))

    def _timed(self, function: Any, place: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            above, self._inner.used = getattr(self._inner, "used", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                used = time.thread_time() - began
                with self._lock:
                    self._booked[place] += used - self._inner.used
                    self._by_thread[threading.get_ident()] += used - self._inner.used
                self._inner.used = above + used

        return call

    def begin(self) -> None:
        with self._lock:
            self._booked.clear()
            self._by_thread.clear()
        self._began = time.process_time()
        self._threads = _clocks()

    def end(self) -> Mapping[str, float]:
        used = time.process_time() - self._began
        names = {each.ident: each.name for each in threading.enumerate()}
        found: dict[str, float] = collections.defaultdict(float, self._booked)
        for ident, clock in _clocks().items():
            rest = clock - self._threads.get(ident, 0.0) - self._by_thread[ident]
            name = names.get(ident, "")
            found[next((place for begin, place in THREADS.items() if name.startswith(begin)), f"thread {name}")] += rest
        return {**found, NATIVE: used - sum(found.values())}


def _clocks() -> dict[int, float]:
    """CPU seconds of each Python thread so far."""
    clocks: dict[int, float] = {}
    for thread in threading.enumerate():
        with contextlib.suppress(OSError):  # it has just ended
            if thread.ident is not None:
                clocks[thread.ident] = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return clocks


def serve(port: str) -> None:
    """Work; a line on stdin begins the measurement, the next one ends it and has it told."""
    times = Times()
    build_runtime("127.0.0.1", port).start()
    print("ready", flush=True)
    sys.stdin.readline()
    times.begin()
    sys.stdin.readline()
    print(json.dumps(times.end()), flush=True)


def measure(runs: int) -> Mapping[str, float]:
    """Milliseconds of CPU a run, by place."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = str(Path(folder) / "bench.db")
        with child(["hub.sidecar", "--db", database, "--grpc-port", "0", "--http-port", "0"]) as (_, told):
            port = str(json.loads(told)["grpc_port"])
            with child(["bench.sdk_worker", "--serve", port]) as (worker, _):
                client: Any = wf.DaprWorkflowClient(host="127.0.0.1", port=port)

                def once(number: int) -> None:
                    run_once(client, "two_steps", number)

                with ThreadPoolExecutor(STARTERS) as starters:
                    list(starters.map(once, range(64)))
                    _say(worker)
                    list(starters.map(once, range(runs)))
                    _say(worker)
                assert worker.stdout is not None
                booked: Mapping[str, float] = json.loads(worker.stdout.readline())
                client.close()
    return {place: 1_000 * used / runs for place, used in booked.items()}


def _say(worker: Any) -> None:
    worker.stdin.write("\n")
    worker.stdin.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--measured", action="store_true", help="write the section of docs/measured.md")
    parser.add_argument("--serve", metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    if given.serve is not None:
        serve(given.serve)
        return 0
    found = measure(given.runs)
    total = sum(found.values())
    rows = [("where", "CPU ms a run", "share")]
    rows += [
        (place, f"{used:.2f}", f"{used / total:.0%}")
        for place, used in sorted(found.items(), key=lambda item: -item[1])
        if used >= total / 200
    ]
    rows.append(("all", f"{total:.2f}", "100%"))
    for row in rows:
        print(f"{row[0]:60} {row[1]:>12} {row[2]:>6}")
    if given.measured:
        note = (
            "The SDK's worker on two-step runs, 16 starters: what the worker of this project saves by one event loop."
        )
        write_section("Where the time of the SDK's worker goes", rows, note=note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
