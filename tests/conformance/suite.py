"""One run of the official conformance suite, and what two runs differ in."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tests.tooling.node import node, node_environment, npm_package

PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
RUN_TIMEOUT_S = 240
SCENARIO_FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")

Status = Literal["SUCCESS", "INFO", "SKIPPED", "WARNING", "FAILURE"]
SEVERITY: dict[Status, int] = {"SUCCESS": 0, "INFO": 0, "SKIPPED": 0, "WARNING": 1, "FAILURE": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a scenario; of several with one id, the worst."""

    scenario: str
    id: str
    status: Status
    message: str

    @property
    def severity(self) -> int:
        return SEVERITY[self.status]

    def __str__(self) -> str:
        return f"{self.status} {self.scenario} · {self.id}: {self.message}"


Report = Mapping[tuple[str, str], Check]
"""(scenario, check id) -> check."""


def run_requirements(url: str, revision: str, folder: Path) -> Report:
    """Run every server scenario that a revision of the protocol requires, at that revision's wire."""
    return _run(url, folder, "--requirements", revision)


def run_scenario(url: str, scenario: str, folder: Path) -> Report:
    """Run one scenario."""
    return _run(url, folder, "--scenario", scenario)


def failures(report: Report) -> list[Check]:
    """What the suite itself counts as failed."""
    return [check for check in report.values() if check.status == "FAILURE"]


def losses(direct: Report, through_hub: Report) -> list[str]:
    """Each check that came out worse through the hub than direct, or that was only made direct."""
    found: list[str] = []
    for key, check in direct.items():
        other = through_hub.get(key)
        if other is None:
            found.append(f"not made through the hub: {check}")
        elif other.severity > check.severity:
            found.append(f"direct {check.status}, through the hub {other}")
    found.extend(
        f"only through the hub: {check}"
        for key, check in through_hub.items()
        if key not in direct and check.severity > 0
    )
    return found


def _run(url: str, folder: Path, *what: str) -> Report:
    program = npm_package(PACKAGE, VERSION) / "dist" / "index.js"
    finished = subprocess.run(
        [node(), program, "server", "--url", url, *what, "-o", folder],
        env=node_environment(),
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    report = _read(folder)
    if not report:
        raise RuntimeError(f"the suite wrote no checks (exit {finished.returncode}):\n{finished.stdout[-2000:]}")
    return report


def _read(folder: Path) -> Report:
    checks = (
        Check(
            scenario=match["scenario"],
            id=str(entry["id"]),
            status=_status(entry["status"]),
            message=str(entry.get("errorMessage") or entry.get("description") or ""),
        )
        for file in sorted(folder.glob("*/checks.json"))
        if (match := SCENARIO_FOLDER.fullmatch(file.parent.name)) is not None
        for entry in json.loads(file.read_text())
    )
    return _worst(checks)


def _worst(checks: Iterable[Check]) -> Report:
    report: dict[tuple[str, str], Check] = {}
    for check in checks:
        key = (check.scenario, check.id)
        if key not in report or check.severity > report[key].severity:
            report[key] = check
    return report


def _status(value: object) -> Status:
    for status in get_args(Status):
        if value == status:
            return status
    raise ValueError(f"the suite knows a status that this reader does not: {value!r}")
