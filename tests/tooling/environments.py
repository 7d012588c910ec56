"""Python environments of their own, for programs on an SDK that the project's environment does not hold."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tooling.locks import CACHE, CHECKOUT, built_once

LOCKS = Path(__file__).parent / "environments"
INSTALL_TIMEOUT_S = 300


def uv() -> str:
    """The uv that runs the tests, the one on the path, or the one that the checkout brought."""
    candidates = [os.environ.get("UV"), shutil.which("uv"), str(CHECKOUT / ".uv" / "bin" / "uv")]
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            return candidate
    raise RuntimeError("uv is needed to make environments for older SDKs: run the tests with `make test`")


def sdk_environment(version: str) -> Path:
    """The Python of an environment that holds one release of the `mcp` SDK.

    Args:
        version: must be the one that is locked in `tests/tooling/environments/mcp-<version>.txt`.
    """
    lock = LOCKS / f"mcp-{version}.txt"
    if not lock.exists():
        raise ValueError(f"no lock for mcp {version}: expected {lock}")
    folder = CACHE / "envs" / f"mcp-{version}"
    python = folder / "bin" / "python"

    def install() -> None:
        _run_uv("venv", "--clear", "--python", sys.executable, str(folder))
        _run_uv("pip", "sync", "--require-hashes", "--compile-bytecode", "--python", str(python), str(lock))

    fingerprint = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    built_once(folder, fingerprint, install)
    return python


def _run_uv(*arguments: str) -> None:
    environment = dict(os.environ, UV_SYSTEM_CERTS="1")
    environment.pop("VIRTUAL_ENV", None)
    finished = subprocess.run(
        [uv(), *arguments], env=environment, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if finished.returncode != 0:
        raise RuntimeError(f"uv {' '.join(arguments[:2])} failed:\n{finished.stderr}")
