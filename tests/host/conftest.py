"""The environments of the frameworks, the model server, and one running host for each environment."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.model_server import ModelServer, open_model_server
from tests.host.raw_host import HostCommand, RawHost

ROOT = Path(__file__).parents[2]
PROJECTS = ROOT / "tests" / "envs"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

CREWS = [
    "report_crew",
    "six_tasks",
    "conditional_crew",
    "parallel_crew",
    "reviewed_crew",
    "led_crew",
    "guarded_crew",
    "noisy_crew",
    "failing_crew",
    "ClassCrew",
]
FLOWS = ["ReviewFlow", "AskFlow", "CrewFlow", "FailingFlow", "ReviewedCrewFlow"]
GRAPHS = [
    "adder",
    "eight_nodes",
    "research",
    "payment",
    "two_questions",
    "endless",
    "failing",
    "nested",
    "chatty",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that import a framework, some of them twice, the time that this takes on a busy machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(400))


def _synced(name: str) -> Path:
    """Make an environment of its lock file, once for all test processes."""
    project = ROOT / "envs" / name
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv is not None, "uv makes the environments of the frameworks: install it"
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        subprocess.run(
            [uv, "sync", "--frozen", "--quiet", "--project", str(project), "--python", PYTHON],
            check=True,
            env=env,
            timeout=600,
        )
    return project / ".venv" / "bin" / "python"


@pytest.fixture(scope="session")
def crewai_python() -> Path:
    return _synced("crewai")


@pytest.fixture(scope="session")
def langgraph_python() -> Path:
    return _synced("langgraph")


@pytest.fixture(scope="session")
def model() -> Iterator[ModelServer]:
    with open_model_server() as server:
        yield server


@pytest.fixture(scope="session")
def commands(
    crewai_python: Path, langgraph_python: Path, model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, HostCommand]:
    """How the host of each environment is started; they keep their state in a folder of their own."""

    def command(name: str, python: Path, targets: list[str]) -> HostCommand:
        home = tmp_path_factory.mktemp(name)
        return HostCommand(
            python=python,
            project=PROJECTS / f"{name}_project",
            targets=tuple(targets),
            env={"MODEL_URL": model.url, "HOME": str(home)},
            more=("--state-dir", str(home / "state")),
        )

    return {
        "crewai": command(
            "crewai",
            crewai_python,
            [*(f"crew:crews:{name}" for name in CREWS), *(f"flow:flows:{name}" for name in FLOWS)],
        ),
        "langgraph": command("langgraph", langgraph_python, [f"graph:graphs:{name}" for name in GRAPHS]),
        "functions": command("functions", Path(sys.executable), ["functions:functions.py"]),
    }


@pytest.fixture(scope="session")
def hosts(commands: dict[str, HostCommand]) -> Iterator[dict[str, RawHost]]:
    """One running host for each environment."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(command.open()) for name, command in commands.items()}


@pytest.fixture(scope="session")
def legacy_hosts(commands: dict[str, HostCommand]) -> Iterator[dict[str, RawHost]]:
    """The same, after the handshake of the legacy era."""
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(command.open()) for name, command in commands.items()}
        for host in running.values():
            assert host.shake_hands()["protocolVersion"] == "2025-11-25"
        yield running
