"""A server that misbehaves harms no other: a healthy neighbour answers every call, and as quickly.

Every form holds each answer to be there and right. That the p99 stays within 2× of its own is a figure, and wants a
machine that does nothing else: the full form measures it, holds it to its bar and writes it down.
"""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.measured import write_section
from tests.faults.neighbour import BOUND, Comparison, compare, open_prober
from tests.faults.prober import MIN_CALLS
from tests.faults.trouble import TROUBLES, http_server, stdio_server
from tests.tooling.hub_process import open_hub

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

_HEAD = ("fault", "neighbour", "p99 without", "p99 with", "ratio (bar: 2×)", "worst call")


@pytest.fixture(scope="module")
def findings(full: bool) -> Generator[dict[str, list[Comparison]]]:
    """What each fault did; a full run writes it down."""
    found: dict[str, list[Comparison]] = {}
    yield found
    if full and found:
        rows = [
            (
                fault,
                seen.tool_name,
                f"{seen.quiet_p99_ms:.2f} ms",
                f"{seen.fault_p99_ms:.2f} ms",
                f"{seen.ratio:.2f}×",
                f"{seen.worst_ms:.0f} ms",
            )
            for fault, comparisons in found.items()
            for seen in comparisons
        ]
        write_section("Faults beside a healthy neighbour", [_HEAD, *rows], note="Medians of the windows' p99.")


@pytest.mark.parametrize("fault", TROUBLES)
def test_a_healthy_neighbour_goes_on_beside(
    fault: str, tmp_path: Path, full: bool, findings: dict[str, list[Comparison]]
) -> None:
    with ExitStack() as stack:
        trouble = stack.enter_context(TROUBLES[fault](tmp_path))
        over_http = stack.enter_context(http_server(tmp_path, "neighbour"))
        servers = {**trouble.servers, "neighbour": over_http, "sibling": stdio_server()}
        hub = stack.enter_context(open_hub(tmp_path, servers))
        prober = stack.enter_context(open_prober(hub.port, ["neighbour__echo", "sibling__echo"]))
        if not full:
            with trouble.going(hub.port):
                answered = prober.window(1.0)
            assert all(len(answered[name]) >= MIN_CALLS for name in ("neighbour__echo", "sibling__echo"))
            return
        seen = compare(prober, lambda: trouble.going(hub.port), pairs=12, seconds=2.0)
    findings[fault] = seen
    assert all(comparison.ratio <= BOUND for comparison in seen), "; ".join(map(str, seen))
