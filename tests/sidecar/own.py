"""A sidecar of a test's own, of either kind, that is killed and started again on the same data and address."""

import contextlib
import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Literal, Protocol

from hub.app.dapr_programs import HOST, DaprSetup
from tests.sidecar.daprd import find_programs, free_ports
from tests.sidecar.processes import DaprApi, SidecarProcess, start_sidecar
from tests.tooling.dapr import READY_S, Store, hangs_for_good, prepared_dapr, start_dapr
from tests.tooling.programs import open_program

Kind = Literal["embedded"] | Store


class OwnSidecar(Protocol):
    """A sidecar that a test may kill."""

    @property
    def api(self) -> DaprApi: ...

    def kill(self) -> None:
        """End it with SIGKILL; its data stays."""

    def start(self) -> None:
        """Start it again and wait until it answers; its address is the same."""

    def hangs(self) -> bool:
        """Whether it hangs for good, by a known defect of its own."""
        ...


class _Embedded:
    def __init__(self, folder: Path, worker_lease_s: float | None) -> None:
        self._db_path = folder / "sidecar.db"
        self._ports = free_ports(2)
        self._arguments = [] if worker_lease_s is None else ["--worker-lease-s", str(worker_lease_s)]
        self._process = self._started()

    @property
    def api(self) -> DaprApi:
        return self._process.api

    def kill(self) -> None:
        self._process.kill()

    def start(self) -> None:
        self._process = self._started()

    def hangs(self) -> bool:
        return False

    def _started(self) -> SidecarProcess:
        grpc_port, http_port = self._ports
        return start_sidecar(self._db_path, grpc_port=grpc_port, http_port=http_port, arguments=self._arguments)


class _Daprd:
    """Placement and scheduler stay: it is daprd that programs talk to."""

    def __init__(self, setup: DaprSetup, store: Store, stack: contextlib.ExitStack) -> None:
        self._setup = setup
        self._stack = stack
        self._program = start_dapr(stack, setup)["daprd"]
        ports = setup.ports
        self._api = DaprApi(kind=f"daprd-{store}", host=HOST, grpc_port=ports.grpc, http_port=ports.http)

    @property
    def api(self) -> DaprApi:
        return self._api

    def kill(self) -> None:
        os.kill(self._program.pid, signal.SIGKILL)
        self._program.wait_for_end()

    def start(self) -> None:
        command, log = self._setup.commands()["daprd"], self._setup.log_of("daprd")
        self._program = self._stack.enter_context(open_program(command, log, cwd=self._setup.folder))
        self._program.wait_for_answer(self._setup.health_urls[0], status=204, deadline_s=READY_S)

    def hangs(self) -> bool:
        return hangs_for_good(self._setup)


@contextlib.contextmanager
def open_own_sidecar(kind: Kind, folder: Path, *, worker_lease_s: float | None = None) -> Generator[OwnSidecar]:
    """One that is up; whatever state the test leaves it in, it is gone at the end.

    Args:
        worker_lease_s: what the embedded one is told; Dapr lets 10 s pass without a word, and 5 s more for an answer.
    """
    with contextlib.ExitStack() as stack:
        if kind == "embedded":
            sidecar: OwnSidecar = _Embedded(folder, worker_lease_s)
            stack.callback(sidecar.kill)
        else:
            programs = find_programs()
            assert programs is not None
            sidecar = _Daprd(stack.enter_context(prepared_dapr(programs, folder, kind)), kind, stack)
        yield sidecar
