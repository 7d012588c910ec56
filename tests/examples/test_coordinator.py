"""The coordinator's one run over a crew, a graph and an MCP server goes as its README says."""

import os
import subprocess
import sys
from pathlib import Path

from tests.tooling.locks import CHECKOUT
from tests.wrapped.environments import synced


def test_one_run_calls_a_crew_a_graph_and_a_server_and_goes_on_after_a_question(tmp_path: Path) -> None:
    synced("crewai")
    synced("langgraph")
    kept = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.coordinator.tour"],
        cwd=CHECKOUT,
        env={**os.environ, "HOME": str(tmp_path), **kept},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[1:] == [
        "The run waits for a person: Publish this? All about tea.",
        "Agent, crew, graph and server end here; the answer meets new ones.",
        "note 1 keeps 'On tea'",
        "The run's history has these calls of tools:",
        "  1. research_team: answer",
        "  2. review: questions",
        "  3. review: answer",
        "  4. add_note: answer",
        "{'title': 'On tea', 'body': 'All about tea. Milk first.\\ntea has a past\\ntea has a future'}",
    ]
