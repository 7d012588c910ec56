"""The examples of what adapters take in run as their READMEs say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tooling.locks import CHECKOUT
from tests.wrapped.environments import synced


@pytest.mark.parametrize(
    ("example", "environment", "last_line"),
    [
        (
            "research_team",
            "crewai",
            "{'topic': 'tea', 'findings': ['tea has a past', 'tea has a future'], 'summary': 'On tea'}",
        ),
        ("review_graph", "langgraph", "{'text': 'All about tea. Milk first.', 'approved': True}"),
        ("petstore", None, "[{'name': 'Rex', 'tag': 'dog', 'id': 1}]"),
    ],
)
def test_the_tour_of_an_example_goes_well(
    example: str, environment: str | None, last_line: str, tmp_path: Path
) -> None:
    if environment is not None:
        synced(environment)
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{example}.tour"],
        cwd=CHECKOUT,
        env={**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == last_line
