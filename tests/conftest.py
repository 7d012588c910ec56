"""What every test shares."""

import signal

import pytest


def pytest_configure() -> None:
    """A runner in the background may ignore Ctrl-C, and so would every program that the tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the full numbers instead of the short form")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether the full numbers are asked for (`make test-all`)."""
    return bool(pytestconfig.getoption("--full"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop that the hub runs on."""
    return "asyncio"
