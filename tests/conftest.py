"""What every test shares."""

import pytest


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
