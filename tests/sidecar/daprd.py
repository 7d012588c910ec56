"""Dapr's own programs as one more sidecar of the suite, where they are found."""

import contextlib
import socket
from collections.abc import Generator
from pathlib import Path

from hub.app.dapr_programs import HOST
from tests.sidecar.processes import DaprApi
from tests.tooling.dapr import Store, find_programs, open_dapr

__all__ = ["find_programs", "free_ports", "running_daprd"]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for opened in sockets:
        opened.bind((HOST, 0))
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@contextlib.contextmanager
def running_daprd(programs: Path, folder: Path, store: Store = "sqlite") -> Generator[DaprApi]:
    """Placement, scheduler and daprd on loopback."""
    with open_dapr(programs, folder, store) as setup:
        yield DaprApi(kind=f"daprd-{store}", host=HOST, grpc_port=setup.ports.grpc, http_port=setup.ports.http)
