"""The hub as a program, with its own folders, configuration and port."""

import json
import os
import sys
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tooling.ports import LOOPBACK, free_port
from tests.tooling.programs import Program, open_program

ANSWER_S = 10.0
TRACEBACK_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningHub:
    """A hub that is ready."""

    address: str
    """`http://127.0.0.1:PORT`"""
    program: Program
    folder: Path

    @property
    def url(self) -> str:
        """The MCP endpoint."""
        return f"{self.address}/mcp"

    def servers(self) -> list[dict[str, Any]]:
        """The state of each server behind it, as `/readyz` tells it."""
        with urllib.request.urlopen(f"{self.address}/readyz", timeout=ANSWER_S) as answer:
            states: list[dict[str, Any]] = json.load(answer)["servers"]
        return states


def hub_environment(home: Path) -> dict[str, str]:
    """The tests' own environment, with every folder of the user in `home`."""
    environment = dict(os.environ)
    environment.pop("HUB_TOKEN", None)
    environment.update(
        HOME=str(home),
        XDG_CONFIG_HOME=str(home / "config"),
        XDG_STATE_HOME=str(home / "state"),
        XDG_CACHE_HOME=str(home / "cache"),
    )
    return environment


@contextmanager
def open_hub(
    folder: Path, configuration: str, *, deadline_s: float = 60, environment: Mapping[str, str] | None = None
) -> Generator[RunningHub]:
    """Run `hub serve` on a free port until the block ends; yields when all its servers are ready.

    A traceback in its log is a failure of the block that ran it.

    Args:
        folder: where `hub.yaml`, the log and the home of the hub are kept.
        configuration: the text of `hub.yaml`.
        environment: variables besides those of the tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "hub.yaml"
    file.write_text(configuration)
    port = free_port()
    command = [Path(sys.executable).with_name("hub"), "serve", "-c", file, "--port", str(port)]
    env = {**hub_environment(folder / "home"), **(environment or {})}
    with open_program(command, folder / "hub.log", env=env, cwd=folder) as program:
        address = f"http://{LOOPBACK}:{port}"
        program.wait_for_answer(f"{address}/readyz", deadline_s=deadline_s)
        hub = RunningHub(address=address, program=program, folder=folder)
        missing = [server for server in hub.servers() if server["phase"] != "ready"]
        if missing:
            raise RuntimeError(f"not every server is ready: {json.dumps(missing, indent=2)}\n{program.tail()}")
        yield hub
    written = (folder / "hub.log").read_text()
    if "Traceback" in written:
        raise AssertionError(f"the hub wrote a traceback:\n{written[written.index('Traceback') :][:TRACEBACK_CHARS]}")
