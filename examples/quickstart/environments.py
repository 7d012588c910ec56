"""An environment of its own for each server from the package index, made once, before the hub starts."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

LOCKS = Path(__file__).parent / "envs"
_INSTALL_TIMEOUT_S = 600


class EnvironmentNotMadeError(Exception):
    """An environment could not be made; the message holds what uv said."""


def make_environments(folder: Path, say: Callable[[str], None]) -> None:
    """Make an environment for each file of pinned, hashed requirements that has none yet.

    Args:
        say: told what is being made, and how long it took.

    Raises:
        EnvironmentNotMadeError: uv is not there, or it failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for lock in sorted(LOCKS.glob("*.txt")):
        environment = folder / lock.stem
        with (folder / f"{lock.stem}.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            _make(environment, lock, say)


def _make(environment: Path, lock: Path, say: Callable[[str], None]) -> None:
    # A console script holds the path of its interpreter, so a moved checkout needs new environments.
    made_of = f"{sys.version}\n{environment.resolve()}\n{lock.read_text()}"
    fingerprint = hashlib.sha256(made_of.encode()).hexdigest()
    mark = environment / ".fingerprint"
    if mark.exists() and mark.read_text() == fingerprint:
        say(f"{_pinned(lock)}: its environment is there")
        return
    say(f"{_pinned(lock)}: making its environment …")
    began_at = time.monotonic()
    shutil.rmtree(environment, ignore_errors=True)
    _uv("venv", "--python", sys.executable, environment)
    _uv("pip", "install", "--python", environment, "--require-hashes", "--requirement", lock)
    mark.write_text(fingerprint)
    say(f"{_pinned(lock)}: made in {time.monotonic() - began_at:.1f} s")


def _pinned(lock: Path) -> str:
    """Name and version of the server that the file is for."""
    pin = next(line for line in lock.read_text().splitlines() if line.startswith(f"{lock.stem}=="))
    return pin.split("\\")[0].strip().replace("==", " ")


def _uv(*arguments: str | Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise EnvironmentNotMadeError("uv was not found; `make demo` brings it, or set UV to its path")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    _run([uv, "--quiet", *(str(argument) for argument in arguments)], environment)


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    try:
        finished = subprocess.run(
            command,
            env={"UV_SYSTEM_CERTS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentNotMadeError(f"uv could not be run to its end: {error}") from error
    if finished.returncode != 0:
        raise EnvironmentNotMadeError(f"uv {command[2]} failed:\n{finished.stderr.strip()}")
