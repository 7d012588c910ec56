"""The same durable functions on each sidecar, on the hub's worker and on the SDK's own."""

import gc
import threading
import uuid
import warnings
from collections.abc import AsyncGenerator, Generator
from typing import Any, Literal

import anyio.to_thread
import dapr.ext.workflow as wf
import pytest

from hub.workflows import DaprAddress, DaprConnection, Runs, open_connection, open_worker
from hub.workflows.sdk_runtime import register
from tests.durable.flows import build_functions
from tests.sidecar.daprd import find_programs, running_daprd
from tests.sidecar.processes import DaprApi, running_sidecar
from tests.tooling.event_loop import one_event_loop

__all__ = ["one_event_loop"]

PROGRAMS = find_programs()

WorkerKind = Literal["hub", "sdk"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if PROGRAMS is None:
        terminalreporter.write_line(
            "durable: Dapr's own programs were not found (DAPR_BIN_DIR, `make dapr`); "
            "the suite ran on the embedded sidecar"
        )


@pytest.fixture(
    scope="session",
    params=["embedded", *([pytest.param("daprd", marks=pytest.mark.daprd)] if PROGRAMS is not None else [])],
)
def dapr_api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprApi]:
    """A sidecar that answers."""
    folder = tmp_path_factory.mktemp("durable")
    if request.param == "embedded":
        with running_sidecar(folder / "sidecar.db") as sidecar:
            yield sidecar.api
    else:
        assert PROGRAMS is not None
        with running_daprd(PROGRAMS, folder) as api:
            yield api


@pytest.fixture(scope="session")
def address(dapr_api: DaprApi) -> DaprAddress:
    return DaprAddress(host=dapr_api.host, grpc_port=dapr_api.grpc_port)


@pytest.fixture(scope="session")
async def connection(address: DaprAddress) -> AsyncGenerator[DaprConnection]:
    async with open_connection(address) as connection:
        yield connection


@pytest.fixture(scope="session", params=["hub", "sdk"])
def worker_kind(request: pytest.FixtureRequest) -> WorkerKind:
    """Which worker plays the turns and runs the steps."""
    return request.param


@pytest.fixture(scope="session")
async def worker(
    worker_kind: WorkerKind, connection: DaprConnection, address: DaprAddress
) -> AsyncGenerator[WorkerKind]:
    """A worker with all of `flows`."""
    if worker_kind == "hub":
        async with open_worker(connection, build_functions()):
            yield worker_kind
    else:
        threads = set(threading.enumerate())
        runtime: Any = wf.WorkflowRuntime(host=address.host, port=str(address.grpc_port))
        register(runtime, build_functions())
        await anyio.to_thread.run_sync(runtime.start)
        yield worker_kind
        await anyio.to_thread.run_sync(runtime.shutdown)
        del runtime
        for thread in threading.enumerate():  # of steps that ran there; each holds its loop until it ends
            loop: Any = getattr(thread, "loop", None)
            if loop is not None and not loop.is_running():
                await anyio.to_thread.run_sync(thread.join, 5.0)
            del loop, thread
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the SDK never closes its worker's event loop
            with anyio.move_on_after(10):
                while True:  # a thread of that loop's executor may be at its last call, and holds the loop until then
                    gc.collect()
                    left = [each for each in threading.enumerate() if each not in threads and _is_executors(each)]
                    if not left:
                        break
                    await anyio.to_thread.run_sync(left.pop().join, 0.1)


def _is_executors(thread: threading.Thread) -> bool:
    """Whether it belongs to an event loop's default executor."""
    return thread.name.startswith("asyncio_")


@pytest.fixture(scope="session")
async def hub_worker(connection: DaprConnection) -> AsyncGenerator[None]:
    """The hub's own worker with all of `flows`, for what is not about workers."""
    async with open_worker(connection, build_functions()):
        yield


@pytest.fixture
def runs(connection: DaprConnection) -> Runs:
    return Runs(connection)


@pytest.fixture
def run_id() -> str:
    """An id that nobody has."""
    return f"t-{uuid.uuid4().hex[:12]}"
