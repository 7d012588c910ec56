"""What is killed: a sidecar, two workers, and the hub that stands between their agents and an MCP server."""

import contextlib
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.durable.crash_accounts import Kill, Victim
from tests.sidecar.daprd import free_ports
from tests.tooling.hub_process import write_config
from tests.tooling.nursery import Nursery, open_nursery
from tests.tooling.ports import LOOPBACK

MODULES = (
    *("hub.sidecar.__main__", "hub.cli.main", "hub.cli.serve_command", "hub.app.serving"),
    *("tests.durable.crash_flows", "pydantic_ai.direct", "pydantic_ai.models.openai"),
)


@dataclass(kw_only=True)
class Machine:
    """Each of its processes is killed and started again at will."""

    folder: Path
    nursery: Nursery
    ledger_port: int
    model: str
    mcp_url: str
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    """The sidecar's two, and the hub's."""
    alive: list[tuple[Victim, int]] = field(default_factory=list[tuple[Victim, int]])
    kills: list[Kill] = field(default_factory=list[Kill])

    @property
    def grpc_port(self) -> int:
        return self.ports[0]

    def start_all(self) -> None:
        victims: tuple[Victim, ...] = ("sidecar", "hub", "worker", "worker")
        self.alive = [(victim, self._start(victim)) for victim in victims]

    def kill_one(self) -> None:
        """SIGKILL one of the four, chosen by chance, and start it again."""
        place = random.randrange(len(self.alive))
        victim, pid = self.alive[place]
        begun = time.time()
        self.nursery.kill(pid)
        self.kills.append(Kill(victim=victim, span=(begun, time.time())))
        self.alive[place] = victim, self._start(victim)

    def _start(self, victim: Victim) -> int:
        starts: Mapping[Victim, Callable[[], int]] = {
            "sidecar": self._start_sidecar,
            "hub": self._start_hub,
            "worker": self._start_worker,
        }
        return starts[victim]()

    def _start_sidecar(self) -> int:
        ports = ["--grpc-port", str(self.ports[0]), "--http-port", str(self.ports[1])]
        arguments = ["--db", str(self.folder / "crash.db"), *ports]
        return self.nursery.start("hub.sidecar.__main__:main", arguments, self.folder / "sidecar.log")

    def _start_hub(self) -> int:
        config = write_config(self.folder, {"world": {"url": self.mcp_url}})
        own = {f"XDG_{name}_HOME": str(self.folder / name.lower()) for name in ("STATE", "CONFIG")}
        arguments = ["serve", "-c", str(config), "--port", str(self.ports[2])]
        return self.nursery.start("hub.cli.main:run", arguments, self.folder / "hub.log", own)

    def _start_worker(self) -> int:
        ports = [str(self.grpc_port), str(self.ledger_port)]
        places = [self.model, f"http://{LOOPBACK}:{self.ports[2]}/mcp", str(self.folder / "worker")]
        return self.nursery.start("tests.durable.crash_flows:main", [*ports, *places], self.folder / "workers.log")


@contextlib.contextmanager
def running_machine(folder: Path, *, ledger_port: int, model: str, mcp_url: str) -> Generator[Machine]:
    with open_nursery(*MODULES) as nursery:
        machine = Machine(folder=folder, nursery=nursery, ledger_port=ledger_port, model=model, mcp_url=mcp_url)
        machine.start_all()
        yield machine
