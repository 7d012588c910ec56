"""Which interpreter a project is run with, and what is said where there is none."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from adapters.environments import find_python
from hub.errors import ConfigError
from tests.tooling.environments import uv


async def find(project: Path, given: str | None = None, framework: str | None = "crewai") -> Path:
    variables = {**os.environ, "PATH": f"{Path(uv()).parent}:{os.environ['PATH']}"}
    return await find_python(project, given=given, framework=framework, variables=variables)


async def test_the_project_s_own_environment_comes_first(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "uv.lock").write_text("")
    assert await find(tmp_path) == python


async def test_a_given_interpreter_comes_before_all(tmp_path: Path) -> None:
    assert await find(tmp_path, given=sys.executable) == Path(sys.executable)
    with pytest.raises(ConfigError, match="found no interpreter nowhere/python"):
        await find(tmp_path, given="nowhere/python")


async def test_an_environment_is_made_of_the_lock(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "empty"\nversion = "0"\nrequires-python = ">=3.11"\n[tool.uv]\npackage = false\n'
    )
    await anyio.run_process([uv(), "lock", "--quiet", "--offline"], cwd=tmp_path)
    assert await find(tmp_path) == tmp_path / ".venv" / "bin" / "python"


async def test_without_an_environment_the_message_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        await find(tmp_path)
    assert str(raised.value) == (
        f"project {tmp_path}: found neither .venv nor uv.lock; expected an environment with crewai; "
        "run `uv sync` in that folder, or set `python`"
    )


async def test_a_plain_file_of_functions_runs_on_the_hub_s_own_interpreter(tmp_path: Path) -> None:
    assert await find(tmp_path, framework=None) == Path(sys.executable)


async def test_a_lock_that_can_not_be_synced_is_told(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("nonsense")
    with pytest.raises(ConfigError, match="`uv sync --frozen` did not make an environment"):
        await find(tmp_path)
