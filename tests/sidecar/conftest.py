"""One suite over every sidecar: the embedded one always, Dapr's own where its programs are found."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import dapr.ext.workflow as wf
import pytest
from dapr.clients import DaprClient
from dapr.conf import settings

from tests.sidecar.daprd import find_programs, running_daprd
from tests.sidecar.own import OwnSidecar, open_own_sidecar
from tests.sidecar.processes import DaprApi, running_sidecar
from tests.sidecar.scenario import Scenario
from tests.sidecar.workflows import running_worker
from tests.tooling.dapr import Store

PROGRAMS = find_programs()
STORES: tuple[Store, ...] = ("sqlite", "redis") if PROGRAMS is not None else ()
KINDS = ["embedded", *(pytest.param(store, id=f"daprd-{store}", marks=pytest.mark.daprd) for store in STORES)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if PROGRAMS is None:
        terminalreporter.write_line(
            "sidecar: Dapr's own programs were not found (DAPR_BIN_DIR, `make dapr`); the suite ran on the embedded one"
        )


@pytest.fixture(scope="session", params=KINDS)
def dapr_api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprApi]:
    """A sidecar that answers."""
    folder = tmp_path_factory.mktemp("sidecar")
    if request.param == "embedded":
        with running_sidecar(folder / "sidecar.db") as sidecar:
            yield sidecar.api
    else:
        assert PROGRAMS is not None
        with running_daprd(PROGRAMS, folder, request.param) as api:
            yield api


@pytest.fixture(params=KINDS)
def own_sidecar(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., AbstractContextManager[OwnSidecar]]:
    """Opens a sidecar that the test has for itself and may kill, see `open_own_sidecar`."""

    def open_one(**settings: float) -> AbstractContextManager[OwnSidecar]:
        return open_own_sidecar(request.param, tmp_path / "own", **settings)

    return open_one


@pytest.fixture(scope="session")
def worker(dapr_api: DaprApi) -> Generator[None]:
    """The SDK's worker with all workflows of the suite."""
    with running_worker(dapr_api.host, dapr_api.grpc_port):
        yield


@pytest.fixture(scope="session")
def client(dapr_api: DaprApi) -> Generator[wf.DaprWorkflowClient]:
    """The SDK's workflow client."""
    client = wf.DaprWorkflowClient(host=dapr_api.host, port=str(dapr_api.grpc_port))
    yield client
    client.close()


@pytest.fixture
def scenario(client: wf.DaprWorkflowClient, worker: None) -> Scenario:
    """A client with a worker at work."""
    return Scenario(client)


@pytest.fixture(scope="session")
def dapr(dapr_api: DaprApi) -> Generator[DaprClient]:
    """The SDK's client of everything but workflows."""
    setattr(settings, "DAPR_HTTP_PORT", dapr_api.http_port)  # noqa: B010 - the SDK sets its settings dynamically
    with DaprClient(address=f"{dapr_api.host}:{dapr_api.grpc_port}") as client:
        yield client
