"""Dapr's own programs for one app on this machine: placement, scheduler and daprd.

What they are started with is here as plain values; `hub.app.dapr` starts them.
"""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from hub.errors import ConfigError

VERSION = "1.18.2"
PROGRAMS = ("placement", "scheduler", "daprd")
"""In the order of their start."""
HOST = "127.0.0.1"
APP_ID = "hub"

_MAX_BODY = "16Mi"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaprPorts:
    """The loopback ports that the three programs listen on; their defaults overlap and mean all addresses."""

    grpc: int
    """Where apps reach Dapr's API."""
    http: int
    daprd_internal: int
    daprd_profile: int
    daprd_metrics: int
    placement: int
    placement_raft: int
    placement_health: int
    placement_metrics: int
    scheduler: int
    etcd_peer: int
    etcd_client: int
    scheduler_health: int
    scheduler_metrics: int

    @classmethod
    def free(cls, *, grpc: int = 0, http: int = 0) -> Self:
        """Ports that were free a moment ago.

        Args:
            grpc: the one to take, or 0 for any.
            http: likewise.

        Raises:
            ConfigError: one of the two is taken.
        """
        with ExitStack() as open_sockets:
            wanted = {"grpc": grpc, "http": http}
            names = [each.name for each in fields(cls)]
            return cls(**{name: _bound_port(open_sockets, wanted.get(name, 0)) for name in names})


def _bound_port(open_sockets: ExitStack, wanted: int) -> int:
    probe = open_sockets.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, wanted))
        probe.listen()
    except OSError as error:
        raise ConfigError(
            f"port {wanted}: found another program there; expected a free port; stop it (is it another sidecar?), "
            "or choose other ports with --grpc-port and --http-port"
        ) from error
    port: int = probe.getsockname()[1]
    return port


def find_dapr_programs(variables: Mapping[str, str]) -> Path:
    """The folder that has the three programs: `DAPR_BIN_DIR`, else the one that `make dapr` fills.

    Args:
        variables: the environment.

    Raises:
        ConfigError: they are not there.

    Source: XDG Base Directory Specification 0.8, `XDG_CACHE_HOME`.
    """
    named = variables.get("DAPR_BIN_DIR")
    if named:
        folder, advice = Path(named), "set DAPR_BIN_DIR to another folder, or unset it"
    else:
        cache = variables.get("XDG_CACHE_HOME") or Path(variables.get("HOME", "/")) / ".cache"
        folder = Path(cache) / "interop-hub" / f"dapr-{VERSION}"
        advice = "run `make dapr` in a checkout, or set DAPR_BIN_DIR to a folder that has them"
    missing = [name for name in PROGRAMS if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"{folder}: found no {' and no '.join(missing)}; expected Dapr's programs there; {advice}")
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class DaprSetup:
    """One set of the three programs: what runs, where it listens, and where its things live."""

    programs: Path
    """The folder with the binaries."""
    folder: Path
    """For data and logs; what is there is gone on with."""
    resources: Path
    """The folder with the YAML of the components."""
    ports: DaprPorts
    app_id: str = APP_ID
    is_profiled: bool = False
    """Whether daprd answers profilers on its own port."""

    @property
    def health_urls(self) -> tuple[str, str]:
        """Answer 204, once daprd serves apps, and once every part of it is well.

        Source: Dapr health API, `healthz/outbound` and `healthz`.
        """
        healthz = f"http://{HOST}:{self.ports.http}/v1.0/healthz"
        return f"{healthz}/outbound", healthz

    def log_of(self, program: str) -> Path:
        return self.folder / f"{program}.log"

    def commands(self) -> dict[str, list[str]]:
        """The command of each program, in the order of their start."""
        arguments = {"placement": self._placement(), "scheduler": self._scheduler(), "daprd": self._daprd()}
        return {name: [str(self.programs / name), *arguments[name]] for name in PROGRAMS}

    def _placement(self) -> list[str]:
        ports = self.ports
        return [
            *("--id", "p0", "--initial-cluster", f"p0={HOST}:{ports.placement_raft}"),
            *("--port", str(ports.placement), "--listen-address", HOST, "--tls-enabled=false"),
            *_side_doors(ports.placement_health, ports.placement_metrics),
        ]

    def _scheduler(self) -> list[str]:
        ports = self.ports
        return [
            *("--id", "s0", "--port", str(ports.scheduler), "--listen-address", HOST),
            *("--etcd-data-dir", str(self.folder / "etcd"), "--etcd-client-port", str(ports.etcd_client)),
            *("--etcd-initial-cluster", f"s0=http://{HOST}:{ports.etcd_peer}"),
            # Without it daprd is told an address of the machine that it may not reach.
            *("--override-broadcast-host-port", f"{HOST}:{ports.scheduler}", "--workers", "128"),
            *_side_doors(ports.scheduler_health, ports.scheduler_metrics),
        ]

    def _daprd(self) -> list[str]:
        ports = self.ports
        return [
            *("--mode", "standalone", "--app-id", self.app_id, "--resources-path", str(self.resources)),
            *("--dapr-grpc-port", str(ports.grpc), "--dapr-http-port", str(ports.http)),
            *("--dapr-internal-grpc-port", str(ports.daprd_internal), "--profile-port", str(ports.daprd_profile)),
            *("--dapr-listen-addresses", HOST, "--dapr-internal-grpc-listen-address", HOST),
            *("--metrics-port", str(ports.daprd_metrics), "--metrics-listen-address", HOST),
            *("--placement-host-address", f"{HOST}:{ports.placement}"),
            *("--scheduler-host-address", f"{HOST}:{ports.scheduler}"),
            *("--max-body-size", _MAX_BODY, "--log-level", "info"),
            *(["--enable-profiling"] if self.is_profiled else []),
        ]


def _side_doors(health_port: int, metrics_port: int) -> list[str]:
    return [
        *("--healthz-port", str(health_port), "--healthz-listen-address", HOST),
        *("--metrics-port", str(metrics_port), "--metrics-listen-address", HOST),
    ]
