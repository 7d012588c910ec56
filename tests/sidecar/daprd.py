"""Dapr's own programs, started for the suite where they are found."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path

from tests.sidecar.processes import DaprApi
from tests.sidecar.scenario import wait_until

PROGRAMS = ("daprd", "placement", "scheduler")
CACHE_FOLDER = "interop-hub/dapr-1.18.2"

COMPONENTS = """\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: statestore}}
spec:
  type: state.sqlite
  version: v1
  metadata:
  - {{name: connectionString, value: "file:{folder}/state.db"}}
  - {{name: actorStateStore, value: "true"}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: pubsub}}
spec: {{type: pubsub.in-memory, version: v1, metadata: []}}
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {{name: resiliency}}
spec:
  policies:
    retries: {{redelivery: {{policy: constant, duration: 100ms, maxRetries: 4}}}}
  targets:
    components: {{pubsub: {{inbound: {{retry: redelivery}}}}}}
"""


def find_programs() -> Path | None:
    """The folder that has them: `DAPR_BIN_DIR`, else the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / CACHE_FOLDER
    for folder in (os.environ.get("DAPR_BIN_DIR"), cache, cache / "bin"):
        if folder and all((Path(folder) / name).is_file() for name in PROGRAMS):
            return Path(folder)
    return None


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for opened in sockets:
        opened.bind(("127.0.0.1", 0))
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@contextlib.contextmanager
def _running(command: Sequence[str], log_path: Path) -> Generator[None]:
    with log_path.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=log_path.parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextlib.contextmanager
def running_daprd(programs: Path, folder: Path) -> Generator[DaprApi]:
    """Placement, scheduler and daprd on loopback, with SQLite for state and a broker in memory."""
    resources = folder / "resources"
    resources.mkdir()
    (resources / "components.yaml").write_text(COMPONENTS.format(folder=folder))
    host = "127.0.0.1"
    ports = iter(free_ports(17))
    placement_port, raft_port = next(ports), next(ports)
    scheduler_port, etcd_peer, etcd_client = next(ports), next(ports), next(ports)
    http_port, grpc_port = next(ports), next(ports)
    placement = [
        str(programs / "placement"), "--id", "p0", "--port", str(placement_port), "--listen-address", host,
        "--initial-cluster", f"p0={host}:{raft_port}", "--healthz-port", str(next(ports)),
        "--healthz-listen-address", host, "--metrics-port", str(next(ports)), "--metrics-listen-address", host,
        "--tls-enabled=false",
    ]  # fmt: skip
    scheduler = [
        str(programs / "scheduler"), "--id", "s0", "--port", str(scheduler_port), "--listen-address", host,
        "--etcd-data-dir", str(folder / "etcd"), "--etcd-initial-cluster", f"s0=http://{host}:{etcd_peer}",
        "--etcd-client-port", str(etcd_client), "--healthz-port", str(next(ports)), "--healthz-listen-address", host,
        "--metrics-port", str(next(ports)), "--metrics-listen-address", host,
        "--override-broadcast-host-port", f"{host}:{scheduler_port}", "--workers", "128",
    ]  # fmt: skip
    daprd = [
        str(programs / "daprd"), "--mode", "standalone", "--app-id", "hub", "--dapr-http-port", str(http_port),
        "--dapr-grpc-port", str(grpc_port), "--dapr-internal-grpc-port", str(next(ports)),
        "--dapr-listen-addresses", host, "--dapr-internal-grpc-listen-address", host,
        "--metrics-port", str(next(ports)), "--metrics-listen-address", host, "--profile-port", str(next(ports)),
        "--placement-host-address", f"{host}:{placement_port}", "--scheduler-host-address", f"{host}:{scheduler_port}",
        "--resources-path", str(resources), "--max-body-size", "16Mi", "--log-level", "info",
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        for name, command in (("placement", placement), ("scheduler", scheduler), ("daprd", daprd)):
            stack.enter_context(_running(command, folder / f"{name}.log"))
        api = DaprApi(kind="daprd", host=host, grpc_port=grpc_port, http_port=http_port)
        wait_until(api.is_healthy, f"daprd answers; see {folder}/daprd.log", timeout_s=60)
        yield api
