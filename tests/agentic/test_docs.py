"""The programs in the docs run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tooling.locks import CHECKOUT


def programs(page: str) -> list[str]:
    """The Python blocks of a page that are whole programs."""
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    return [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "anyio.run(" in block]


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
    (tmp_path / "program.py").write_text(program)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "DAPR_"))}
    environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    ended = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = dict.fromkeys(ended.stdout.splitlines())
    assert [line.startswith(start) for line, start in zip(lines, told, strict=True)] == [True] * len(told)
