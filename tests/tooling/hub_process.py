"""The hub as a user starts it: a process of its own, with a configuration and a state folder in a temporary place."""

import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tooling.locks import CHECKOUT
from tests.tooling.ports import free_port
from tests.tooling.programs import Program, open_program
from tests.tooling.wire import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class HubProcess:
    program: Program
    port: int
    url: str
    config: Path
    state: Path


def write_config(folder: Path, servers: Mapping[str, Json], *, gateway: Json | None = None) -> Path:
    """A hub.yaml (JSON is YAML) with these servers."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "hub.yaml"
    settings: Json = {"servers": dict(servers)}
    if gateway:
        settings["gateway"] = gateway
    config.write_text(json.dumps(settings), encoding="utf-8")
    return config


def hub_command(config: Path, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("hub")), "serve", "-c", str(config), *arguments]


def hub_environment(folder: Path) -> dict[str, str]:
    """An environment whose state and configuration folders are `folder`'s own."""
    own = {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
    return {**os.environ, **own}


@contextmanager
def open_hub(
    folder: Path, servers: Mapping[str, Json], *, gateway: Json | None = None, ready: bool = True
) -> Generator[HubProcess]:
    """Start `hub serve` and wait until it is healthy.

    Args:
        ready: wait until every server is ready too (`/readyz`).
    """
    config = write_config(folder, servers, gateway=gateway)
    port = free_port()
    command = hub_command(config, "--port", str(port))
    with open_program(command, folder / "hub.log", env=hub_environment(folder), cwd=CHECKOUT) as program:
        program.wait_for_answer(f"http://127.0.0.1:{port}/{'readyz' if ready else 'healthz'}")
        yield HubProcess(
            program=program, port=port, url=f"http://127.0.0.1:{port}/mcp", config=config, state=folder / "state"
        )
