"""Which interpreter a project is run with."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import anyio

from hub.errors import ConfigError

SYNC_TIMEOUT_S: Final = 900
_MAKES_ENVIRONMENT: Final = frozenset({"pyproject.toml", "requirements.txt", "setup.py", "Pipfile", "poetry.lock"})


async def find_python(project: Path, *, given: str | None, framework: str | None, variables: Mapping[str, str]) -> Path:
    """The interpreter of a project: the one given, its `.venv`, or one that `uv sync --frozen` makes of its lock.

    Args:
        framework: the package that the environment is for; without one a folder that is no project will do.
        variables: environment of uv.

    Raises:
        ConfigError: there is none; the message says what to run.
    """
    if not await anyio.Path(project).is_dir():
        raise ConfigError(f"project: found no folder {project}; expected the project's; correct it")
    if given is not None:
        return _given(project, given)
    if (python := await _own(project)) is not None:
        return python
    if await anyio.Path(project / "uv.lock").is_file():
        return await _synced(project, variables)
    if framework is None and not any([await anyio.Path(project / name).exists() for name in _MAKES_ENVIRONMENT]):
        return Path(sys.executable)
    raise ConfigError(
        f"project {project}: found neither .venv nor uv.lock; expected an environment{_with(framework)}; "
        f"run `uv sync` in that folder, or set `python`"
    )


def _with(framework: str | None) -> str:
    return "" if framework is None else f" with {framework}"


def _given(project: Path, given: str) -> Path:
    path = project / Path(given).expanduser()
    if path.is_file():
        return path
    found = shutil.which(given) if "/" not in given else None
    if found is None:
        raise ConfigError(f"python: found no interpreter {given}; expected a file; correct it")
    return Path(found)


async def _own(project: Path) -> Path | None:
    for place in ("bin/python", "Scripts/python.exe"):
        python = project / ".venv" / place
        if await anyio.Path(python).exists():
            return python
    return None


async def _synced(project: Path, variables: Mapping[str, str]) -> Path:
    uv = shutil.which("uv", path=variables.get("PATH"))
    if uv is None:
        raise ConfigError(
            f"project {project}: found uv.lock and no uv; expected uv, to make the environment; "
            "install it (`pip install uv`), or make .venv yourself"
        )
    env = {key: value for key, value in variables.items() if key != "VIRTUAL_ENV"}
    done: CompletedProcess[bytes] | None = None
    with anyio.move_on_after(SYNC_TIMEOUT_S):
        done = await anyio.run_process(
            [uv, "sync", "--frozen", "--quiet", "--project", str(project)], check=False, env=env, cwd=project
        )
    python = await _own(project)
    if done is None or done.returncode != 0 or python is None:
        raise ConfigError(
            f"project {project}: `uv sync --frozen` did not make an environment of its uv.lock; "
            "run it in that folder to see why"
        )
    return python
