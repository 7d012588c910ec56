"""The frameworks' environments, made of their lock files once for all test processes."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tests.tooling.environments import uv
from tests.tooling.locks import CHECKOUT

PROJECTS = CHECKOUT / "tests" / "envs"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""As `make frameworks` has it: with another, uv would make the environments anew."""


def synced(name: str) -> Path:
    """The interpreter of `envs/NAME`."""
    project = CHECKOUT / "envs" / name
    cache = CHECKOUT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        command = [uv(), "sync", "--frozen", "--quiet", "--project", str(project), "--python", VERSION]
        subprocess.run(command, check=True, env=env, timeout=600)
    return project / ".venv" / "bin" / "python"
