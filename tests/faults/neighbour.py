"""Whether a healthy tool stays as quick while something else goes wrong: its p99 with the fault against without."""

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

from tests.tooling.locks import CHECKOUT

BOUND = 2.0


class Prober:
    """A process that calls healthy tools without a pause; see `tests/faults/prober.py`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def window(self, seconds: float) -> dict[str, list[float]]:
        """Milliseconds of each call of a window, by tool."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the prober ended: a healthy tool was not answered, or wrongly"
        taken: dict[str, list[float]] = json.loads(line)
        return taken


@contextmanager
def open_prober(port: int, tool_names: Sequence[str]) -> Generator[Prober]:
    command = [sys.executable, "-m", "tests.faults.prober", str(port), *tool_names]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Prober(process)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One healthy tool, with and without a fault beside it."""

    tool_name: str
    windows: int
    quiet_p99_ms: float
    """Median over the windows."""
    fault_p99_ms: float
    worst_ms: float
    """The slowest call of all with the fault: how long the hub stood still at most."""

    @property
    def ratio(self) -> float:
        return self.fault_p99_ms / self.quiet_p99_ms

    def __str__(self) -> str:
        return (
            f"{self.tool_name}: p99 {self.fault_p99_ms:.2f} ms with the fault, {self.quiet_p99_ms:.2f} ms without "
            f"({self.ratio:.2f}×, {self.windows} pairs of windows; worst call {self.worst_ms:.1f} ms)"
        )


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


def compare(
    prober: Prober, fault: Callable[[], AbstractContextManager[None]], *, pairs: int, seconds: float
) -> list[Comparison]:
    """Windows without and with the fault in turn, so that the machine's own noise hits both alike.

    The medians of both kinds are compared. While one is over the bound, more pairs are added to the same medians, up
    to four times as many: a busy machine costs time, not the verdict.
    """
    quiet: dict[str, list[float]] = {}
    troubled: dict[str, list[float]] = {}
    worst: dict[str, float] = {}
    prober.window(seconds / 2)
    comparisons: list[Comparison] = []
    for number in range(1, 4 * pairs + 1):
        _note(quiet, prober.window(seconds))
        with fault():
            taken = prober.window(seconds)
        _note(troubled, taken)
        worst = {name: max(*values, worst.get(name, 0)) for name, values in taken.items()}
        comparisons = [
            Comparison(
                tool_name=name,
                windows=number,
                quiet_p99_ms=median(quiet[name]),
                fault_p99_ms=median(troubled[name]),
                worst_ms=worst[name],
            )
            for name in quiet
        ]
        if number >= pairs and all(comparison.ratio <= BOUND for comparison in comparisons):
            break
    return comparisons


def _note(into: dict[str, list[float]], taken: dict[str, list[float]]) -> None:
    for name, values in taken.items():
        into.setdefault(name, []).append(p99(values))
