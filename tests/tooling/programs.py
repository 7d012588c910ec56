"""Programs that a test starts, waits for and ends."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.tooling.ports import LOOPBACK

POLL_S = 0.02
TERMINATE_S = 10.0
TAIL_BYTES = 4000


class Program:
    """A running program with a process group of its own; what it writes goes to a log."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def tail(self) -> str:
        """The end of what it wrote."""
        return self.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")

    def wait_for_port(self, port: int, *, deadline_s: float = 30.0) -> None:
        """Wait until something on the loopback address accepts connections on `port`."""

        def accepts() -> bool:
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
                return True
            return False

        self._wait(accepts, f"port {port}", deadline_s)

    def wait_for_answer(self, url: str, *, status: int = 200, deadline_s: float = 30.0) -> None:
        """Wait until a GET of `url` is answered with `status`."""

        def answers() -> bool:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    return bool(answer.status == status)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code == status
            except OSError:
                return False

        self._wait(answers, url, deadline_s)

    def wait_for_end(self, *, deadline_s: float = 30.0) -> int:
        """Wait until the program has ended; its exit code."""
        return self._process.wait(deadline_s)

    def stop(self) -> None:
        """End it politely, then its whole group for certain."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(TERMINATE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait(self, is_ready: Callable[[], bool], what: str, deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        while not is_ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"the program ended with {self._process.returncode} before {what}:\n{self.tail()}")
            if time.monotonic() > end:
                raise TimeoutError(f"{what} was not ready within {deadline_s:g} s:\n{self.tail()}")
            time.sleep(POLL_S)


@contextmanager
def open_program(
    command: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Generator[Program]:
    """Start a program; it and its process group are gone when the block ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ) if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    program = Program(process, log)
    try:
        yield program
    finally:
        program.stop()
