"""What is measured, and which bar each number has to take."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread

from bench.processes import anonymous_mb, pss_mb
from bench.programs import Programs, run_load
from bench.rounds import Sample, Samples, measure_rounds, ratio, typical
from bench.targets import Target, open_echo, open_hub, open_targets

CATALOGUE_SIZES = (1, 100, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    soak_s: float


FULL = Effort(rounds=7, seconds=3, soak_s=60)
SHORT = Effort(rounds=3, seconds=1, soak_s=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One number and its bar."""

    what: str
    wanted: str
    value: float
    unit: str
    holds: bool


@dataclass(slots=True, kw_only=True)
class Findings:
    """All that a run found."""

    rows: list[dict[str, str | float | None]] = field(default_factory=list[dict[str, str | float | None]])
    checks: list[Check] = field(default_factory=list[Check])
    problems: list[str] = field(default_factory=list[str])
    """Wrong answers, as the load generator saw them."""

    def at_most(self, what: str, value: float, bound: float, unit: str = "") -> None:
        self.checks.append(Check(what=what, wanted=f"≤ {bound:g}", value=value, unit=unit, holds=value <= bound))

    def at_least(self, what: str, value: float, bound: float, unit: str = "") -> None:
        self.checks.append(Check(what=what, wanted=f"≥ {bound:g}", value=value, unit=unit, holds=value >= bound))

    def equal(self, what: str, value: float, wanted: float, unit: str = "") -> None:
        self.checks.append(Check(what=what, wanted=f"= {wanted:g}", value=value, unit=unit, holds=value == wanted))

    def add_rows(self, samples: Samples, targets: tuple[Target, ...], *, case: str) -> None:
        """A row a target: medians over the rounds."""
        for target in targets:
            per_call = [s.upstream_per_call for s in samples[target.name] if s.upstream_per_call is not None]
            self.rows.append(
                {
                    "case": case,
                    "target": target.name,
                    "calls/s": typical(samples, target.name, _speed),
                    "p50 ms": typical(samples, target.name, _p50),
                    "p99 ms": typical(samples, target.name, lambda s: s.p99_ms),
                    "CPU ms/call": typical(samples, target.name, _cpu) if target.pid else None,
                    "upstream/call": max(per_call) if per_call else None,
                    "PSS MiB": pss_mb(target.pids) if target.pid else None,
                    "first answer s": target.first_answer_s,
                    "errors": float(sum(s.errors for s in samples[target.name])),
                }
            )
            self.problems += [f"{case} {target.name}: {text}" for s in samples[target.name] for text in s.sample_errors]


def _speed(sample: Sample) -> float:
    return sample.calls_per_s


def _p50(sample: Sample) -> float:
    return sample.p50_ms


def _cpu(sample: Sample) -> float:
    return sample.cpu_ms_per_call


def measure_http(programs: Programs, folder: Path, effort: Effort, findings: Findings) -> None:
    """A modern HTTP server with one echo tool, one caller and sixteen."""
    with open_targets(programs, folder) as targets:
        direct, _, hub = targets
        echo_urls = {target.name: direct.url for target in targets}
        for concurrency in (1, 16):
            samples = measure_rounds(
                programs,
                targets,
                concurrency=concurrency,
                rounds=effort.rounds,
                seconds=effort.seconds,
                echo_urls=echo_urls,
            )
            case = f"HTTP c={concurrency}"
            findings.add_rows(samples, targets, case=case)
            findings.at_most(f"{case}: CPU a call against the floor", ratio(samples, "hub", "floor", _cpu), 1.3, "×")
            findings.at_most(f"{case}: p50 against the floor", ratio(samples, "hub", "floor", _p50), 2, "×")
            asked = [s.upstream_per_call for s in samples["hub"] if s.upstream_per_call is not None]
            worst = max(asked, key=lambda number: abs(number - 1))
            findings.equal(f"{case}: upstream requests a call", round(worst, 4), 1)
            if concurrency == 16:
                speed = ratio(samples, "hub", "floor", _speed)
                findings.at_least(f"{case}: calls a second against the floor", speed, 0.5, "×")
                findings.at_least(
                    f"{case}: calls a second, aimed at beyond the bar", typical(samples, "hub", _speed), 1000, "/s"
                )
                findings.at_most(
                    f"{case}: CPU a call, aimed at beyond the bar", typical(samples, "hub", _cpu), 0.6, "ms"
                )
        findings.at_most("memory of the process tree (PSS)", pss_mb(hub.pids), 90, "MiB")


def measure_start(programs: Programs, folder: Path, effort: Effort, findings: Findings) -> None:
    """From the start of the process to its first answered call, in front of an HTTP server and of a stdio one."""
    with open_echo(programs, folder) as url:
        servers: dict[str, Mapping[str, object]] = {
            "HTTP": {"url": url},
            "stdio": {"command": str(programs.echoup), "args": ["--stdio", "1"]},
        }
        for kind, server in servers.items():
            seen: list[float] = []
            for number in range(effort.rounds):
                with open_hub(folder, server, name=f"hub-start-{kind}-{number}") as hub:
                    seen.append(hub.first_answer_s or 0)
            findings.at_most(f"{kind}: first answered call after the start", median(seen), 1.5, "s")


def measure_catalogue(programs: Programs, folder: Path, effort: Effort, findings: Findings) -> None:
    """The same call with more and more tools in the catalogue."""
    with ExitStack() as stack:
        echo_urls: dict[str, str] = {}
        hubs: list[Target] = []
        for size in CATALOGUE_SIZES:
            url = stack.enter_context(open_echo(programs, folder, tools=size))
            hub = stack.enter_context(open_hub(folder, {"url": url}, name=f"hub-{size}"))
            echo_urls[hub.name] = url
            hubs.append(hub)
        # Three hubs that should be alike: many short rounds tell them apart better than few long ones.
        rounds, seconds = 3 * effort.rounds, max(0.7, effort.seconds / 3)
        samples = measure_rounds(programs, hubs, concurrency=16, rounds=rounds, seconds=seconds, echo_urls=echo_urls)
        findings.add_rows(samples, tuple(hubs), case="tools in the catalogue, c=16")
        for size in CATALOGUE_SIZES[1:]:
            change = ratio(samples, f"hub-{size}", f"hub-{CATALOGUE_SIZES[0]}", _cpu)
            findings.at_most(f"CPU a call with {size} tools against 1", change, 1.1, "×")


def measure_stdio(programs: Programs, folder: Path, effort: Effort, findings: Findings) -> None:
    """The echo server as a child process that speaks on its standard input and output."""
    server = {"command": str(programs.echoup), "args": ["--stdio", "1"]}
    with open_hub(folder, server, name="hub-stdio") as hub:
        for concurrency in (1, 16):
            samples = measure_rounds(
                programs, [hub], concurrency=concurrency, rounds=effort.rounds, seconds=effort.seconds
            )
            findings.add_rows(samples, (hub,), case=f"stdio c={concurrency}")
            cpu = typical(samples, hub.name, _cpu)
            findings.at_most(f"stdio c={concurrency}: CPU a call, the server's own included", cpu, 1.2, "ms")


def measure_soak(programs: Programs, folder: Path, effort: Effort, findings: Findings) -> None:
    """256 callers at once: no errors, and the memory of the first ten seconds stays."""
    with open_echo(programs, folder) as url, open_hub(folder, {"url": url}, name="hub-soak") as hub:
        memory: list[tuple[float, float]] = []
        ended = Event()
        started_at = time.monotonic()
        watcher = Thread(target=_watch_memory, args=(hub, memory, ended, started_at))
        watcher.start()
        try:
            load = run_load(programs, hub.url, hub.tool_name, concurrency=256, seconds=effort.soak_s, warmup_s=0.5)
        finally:
            ended.set()
            watcher.join()
        early_mb = max(mb for at_s, mb in memory if at_s <= 10.5)
        late_mb = max(mb for _, mb in memory[-5:])
        findings.rows.append(
            {
                "case": f"c=256 for {effort.soak_s:g} s",
                "target": hub.name,
                "calls/s": load.calls_per_s,
                "p50 ms": load.p50_ms,
                "p99 ms": load.p99_ms,
                "PSS MiB": pss_mb(hub.pids),
                "errors": float(load.errors),
            }
        )
        findings.problems += [f"c=256: {text}" for text in load.sample_errors]
        findings.equal("c=256: errors", load.errors, 0)
        findings.at_most("c=256: allocated memory at the end against the first 10 s", late_mb / early_mb, 1.05, "×")


def _watch_memory(hub: Target, memory: list[tuple[float, float]], ended: Event, started_at: float) -> None:
    while not ended.wait(0.5):
        memory.append((time.monotonic() - started_at, anonymous_mb(hub.pids)))


Suite = Callable[[Programs, Path, Effort, Findings], None]

SUITES: dict[str, Suite] = {
    "start": measure_start,
    "http": measure_http,
    "catalogue": measure_catalogue,
    "stdio": measure_stdio,
    "soak": measure_soak,
}
