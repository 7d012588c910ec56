"""The fixture servers and the direct runs, once a session."""

from collections.abc import Callable, Generator

import pytest

from tests.conformance.suite import Report, run_requirements
from tests.fixtures.programs import open_fixture

Baseline = Callable[[str], Report]


@pytest.fixture(scope="session")
def everything_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The endpoint of the fixture that the suite's scenarios know."""
    log = tmp_path_factory.mktemp("everything") / "server.log"
    with open_fixture("tests.fixtures.everything_server", log) as url:
        yield url


@pytest.fixture(scope="session")
def tasks_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The endpoint of the fixture that speaks Tasks."""
    log = tmp_path_factory.mktemp("tasks") / "server.log"
    with open_fixture("tests.fixtures.tasks_server", log) as url:
        yield url


@pytest.fixture(scope="session")
def baseline(everything_url: str, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    """The report of a revision without the hub; each revision is run once a session."""
    reports: dict[str, Report] = {}

    def report_of(revision: str) -> Report:
        if revision not in reports:
            folder = tmp_path_factory.mktemp(f"direct-{revision}")
            reports[revision] = run_requirements(everything_url, revision, folder)
        return reports[revision]

    return report_of
