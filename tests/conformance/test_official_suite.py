"""Nothing that the official suite checks is lost on the way through the hub."""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from tests.conformance.conftest import Baseline
from tests.conformance.suite import Check, failures, losses, run_requirements, run_scenario
from tests.tooling.hubs import open_hub

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(300)]

MIN_CHECKS = {"2025-11-25": 80, "2026-07-28": 170}
"""Fewer than these, and the suite did not run what it should."""
MIN_TASK_CHECKS = 40
AT_ONCE = 3
"""Scenarios of tasks at once: they mostly wait."""
UNSCORED = ("http-header-validation", "json-schema-2020-12")
TASK_SCENARIOS = [
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-status-notifications",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
]


def transparent(url: str, *, short_lane: bool = True) -> str:
    lane = "true" if short_lane else "false"
    return f"gateway:\n  short_lane: {lane}\nservers:\n  fixture:\n    url: {url}\n    transparent: true\n"


def listed(checks: list[Check]) -> str:
    return "\n".join(str(check) for check in checks)


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_fixture_passes_every_scenario_that_it_is_made_for(baseline: Baseline, revision: str) -> None:
    failed = [check for check in failures(baseline(revision)) if not check.scenario.startswith("tasks-")]

    assert not failed, listed(failed)


@pytest.mark.parametrize(
    ("revision", "short_lane"),
    [("2025-11-25", True), ("2026-07-28", True), ("2026-07-28", False)],
    ids=["2025-11-25", "2026-07-28 · short lane", "2026-07-28 · long lane"],
)
def test_no_check_comes_out_worse_through_the_hub(
    revision: str, *, short_lane: bool, everything_url: str, baseline: Baseline, tmp_path: Path
) -> None:
    direct = baseline(revision)

    with open_hub(tmp_path, transparent(everything_url, short_lane=short_lane)) as hub:
        through_hub = run_requirements(hub.url, revision, tmp_path / "report")

    lost = losses(direct, through_hub)
    assert not lost, "\n".join(lost)
    assert len(through_hub) >= MIN_CHECKS[revision]
    scenarios = {check.scenario for check in through_hub.values()}
    assert scenarios == {check.scenario for check in direct.values()}
    if revision == "2026-07-28":
        assert set(UNSCORED) <= scenarios


def test_every_tasks_scenario_passes_through_the_hub(tasks_url: str, tmp_path: Path) -> None:
    with open_hub(tmp_path, transparent(tasks_url)) as hub, ThreadPoolExecutor(AT_ONCE) as pool:
        folders = [tmp_path / scenario for scenario in TASK_SCENARIOS]
        reports = list(pool.map(run_scenario, repeat(hub.url), TASK_SCENARIOS, folders))

    checks = [check for report in reports for check in report.values()]
    assert {check.scenario for check in checks} == set(TASK_SCENARIOS)
    assert not [check for check in checks if check.severity > 0], listed(checks)
    assert len(checks) >= MIN_TASK_CHECKS
