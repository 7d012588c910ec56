"""What is killed: a sidecar, two workers, and the hub that stands between their agents and an MCP server."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.durable.crash_accounts import Kill, Victim
from tests.sidecar.processes import SidecarProcess, start_sidecar
from tests.tooling.hub_process import hub_command, hub_environment, write_config
from tests.tooling.locks import CHECKOUT
from tests.tooling.ports import LOOPBACK, free_port

VICTIMS: Sequence[tuple[Victim, int]] = (("worker", 0), ("worker", 1), ("sidecar", 0), ("hub", 0))


@dataclass(kw_only=True)
class Machine:
    """Each of its processes is killed and started again at will."""

    folder: Path
    ledger_port: int
    model: str
    mcp_url: str
    sidecar: SidecarProcess
    hub_port: int = field(default_factory=free_port)
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list["subprocess.Popen[bytes]"])
    hubs: "list[subprocess.Popen[bytes]]" = field(default_factory=list["subprocess.Popen[bytes]"])
    kills: list[Kill] = field(default_factory=list[Kill])

    def start_worker(self) -> "subprocess.Popen[bytes]":
        ports = [str(self.sidecar.api.grpc_port), str(self.ledger_port)]
        places = [self.model, f"http://{LOOPBACK}:{self.hub_port}/mcp", str(self.folder / "worker")]
        command = [sys.executable, "-m", "tests.durable.crash_flows", *ports, *places]
        with (self.folder / "workers.log").open("a") as log:
            return subprocess.Popen(command, stderr=log)

    def start_hub(self) -> "subprocess.Popen[bytes]":
        config = write_config(self.folder, {"world": {"url": self.mcp_url}})
        with (self.folder / "hub.log").open("a") as log:
            return subprocess.Popen(
                hub_command(config, "--port", str(self.hub_port)),
                stdout=log,
                stderr=log,
                env=hub_environment(self.folder),
                cwd=CHECKOUT,
            )

    def kill_one(self) -> None:
        """SIGKILL one of the four, chosen by chance, and start it again."""
        victim, place = random.choice(VICTIMS)
        begun = time.time()
        if victim == "sidecar":
            self.sidecar.kill()
        else:
            self._kill((self.workers if victim == "worker" else self.hubs)[place])
        self.kills.append(Kill(victim=victim, span=(begun, time.time())))
        if victim == "sidecar":
            api = self.sidecar.api
            self.sidecar = start_sidecar(self.folder / "crash.db", grpc_port=api.grpc_port, http_port=api.http_port)
        elif victim == "worker":
            self.workers[place] = self.start_worker()
        else:
            self.hubs[place] = self.start_hub()

    def stop(self) -> None:
        for process in (*self.workers, *self.hubs):
            self._kill(process)
        self.sidecar.kill()

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def running_machine(folder: Path, *, ledger_port: int, model: str, mcp_url: str) -> Generator[Machine]:
    sidecar = start_sidecar(folder / "crash.db")
    machine = Machine(folder=folder, ledger_port=ledger_port, model=model, mcp_url=mcp_url, sidecar=sidecar)
    try:
        machine.hubs = [machine.start_hub()]
        machine.workers = [machine.start_worker() for _ in range(2)]
        yield machine
    finally:
        machine.stop()
