"""What every test shares."""

import os
import signal
from pathlib import Path

import pytest

LONGEST_MESSAGE = 300


def pytest_configure() -> None:
    """A runner in the background may ignore Ctrl-C, and so would every program that the tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the full numbers instead of the short form")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add a line for each failed test to the file that `make test` shows at its very end."""
    recap = os.environ.get("TESTS_RECAP")
    failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    if not recap or not failed:
        return
    with Path(recap).open("a") as out:
        for report in failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message[:LONGEST_MESSAGE] if crash else str(report.longrepr)[-LONGEST_MESSAGE:]
            seconds = getattr(report, "duration", 0.0)  # what was not collected has none
            out.write(f"{report.nodeid} ({seconds:.0f} s): {' '.join(message.split())}\n")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether the full numbers are asked for (`make test-all`)."""
    return bool(pytestconfig.getoption("--full"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop that the hub runs on."""
    return "asyncio"
