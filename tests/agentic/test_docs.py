"""The programs in the docs run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sidecar.processes import DaprApi
from tests.sidecar.scenario import open_scenario
from tests.tooling.locks import CHECKOUT


def programs(page: str) -> list[str]:
    """The Python blocks of a page that are whole programs."""
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    return [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "anyio.run(" in block]


def run_program(program: str, folder: Path, **variables: str) -> list[str]:
    """What a program says that ends well; it has no other variables of the hub's or of Dapr's."""
    (folder / "program.py").write_text(program)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "DAPR_"))}
    environment["XDG_STATE_HOME"] = str(folder / "state")
    ended = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (
            "agents.md",
            ['[{"title": "tides, part 1"}, {"title": "tides, part 2"}]', "search_papers: ", "Totals(model_calls=2"],
        ),
        ("memory.md", ["What is my cat called?", "3 messages went to the model"]),
        ("events.md", ["Write about tides."]),
    ],
)
def test_the_program_of_the_page_runs(page: str, told: list[str], tmp_path: Path) -> None:
    [program] = programs(page)
    lines = dict.fromkeys(run_program(program, tmp_path))
    assert [line.startswith(start) for line, start in zip(lines, told, strict=True)] == [True] * len(told)


def test_the_program_on_moving_to_real_dapr_runs_with_and_without_the_variable(
    dapr_api: DaprApi, tmp_path: Path
) -> None:
    [program] = programs("real-dapr.md")
    told = ["lamp: 400 cents", "shipped: lamp", "What is my name?"]
    with open_scenario(dapr_api.host, dapr_api.grpc_port) as scenario:

        def runs() -> int:
            return len(list(scenario.client.iter_workflow_instance_ids()))

        before = runs()
        without = run_program(program, made(tmp_path / "without"))
        between = runs()
        with_variable = run_program(program, made(tmp_path / "with"), DAPR_GRPC_PORT=str(dapr_api.grpc_port))
        after = runs()
    assert (sorted(without), sorted(with_variable)) == (sorted(told), sorted(told))
    assert (between - before, after - between >= 4) == (0, True), "each run is where the variable says"
    assert (tmp_path / "without" / ".hub" / "sidecar.db").is_file()
    assert not (tmp_path / "with" / ".hub" / "sidecar.db").exists()


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
