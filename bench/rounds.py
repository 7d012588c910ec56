"""Interleaved rounds: every target in turn, many short times, so that a noisy machine hits all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.processes import cpu_s
from bench.programs import Programs, run_load
from bench.targets import Target, upstream_counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One target under load for one round."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_call: float
    """Of the target's process tree; 0 where it has none."""
    upstream_per_call: float | None
    """Requests that reached the echo server for each call; None where it keeps no count (stdio)."""
    errors: int
    sample_errors: tuple[str, ...] = ()


Samples = Mapping[str, Sequence[Sample]]
"""By the target's name, one sample a round."""


def measure_once(
    programs: Programs, target: Target, *, concurrency: int, seconds: float, echo_url: str | None = None
) -> Sample:
    """Load one target once; warm-up calls count for CPU and upstream requests, not for speed and latency."""
    pids = target.pids
    cpu_before = cpu_s(pids)
    asked_before = upstream_counts(echo_url) if echo_url else {}
    load = run_load(programs, target.url, target.tool_name, concurrency=concurrency, seconds=seconds)
    cpu_used = cpu_s(pids) - cpu_before
    upstream: float | None = None
    if echo_url:
        upstream = (sum(upstream_counts(echo_url).values()) - sum(asked_before.values())) / max(1, load.requests)
    return Sample(
        calls_per_s=load.calls_per_s,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        cpu_ms_per_call=cpu_used * 1000 / max(1, load.requests),
        upstream_per_call=upstream,
        errors=load.errors,
        sample_errors=load.sample_errors,
    )


def measure_rounds(
    programs: Programs,
    targets: Sequence[Target],
    *,
    concurrency: int,
    rounds: int,
    seconds: float,
    echo_urls: Mapping[str, str] | None = None,
) -> Samples:
    """Load the targets in turn; every second round goes through them backwards."""
    samples: dict[str, list[Sample]] = {target.name: [] for target in targets}
    for number in range(rounds):
        for target in targets if number % 2 == 0 else reversed(targets):
            echo_url = (echo_urls or {}).get(target.name)
            sample = measure_once(programs, target, concurrency=concurrency, seconds=seconds, echo_url=echo_url)
            samples[target.name].append(sample)
    return samples


def typical(samples: Samples, name: str, value: Callable[[Sample], float]) -> float:
    """Median over the rounds."""
    return median(value(sample) for sample in samples[name])


def ratio(samples: Samples, name: str, other: str, value: Callable[[Sample], float]) -> float:
    """Median over the rounds of `name` against `other` in the same round."""
    pairs = zip(samples[name], samples[other], strict=True)
    return median(value(mine) / max(value(theirs), 1e-9) for mine, theirs in pairs)
