"""The research goes on after a crash, as its demo says."""

import subprocess
import sys

import pytest

from tests.tooling.locks import CHECKOUT


@pytest.mark.crash
def test_the_demo_kills_the_research_and_no_finished_step_runs_twice() -> None:
    command = [sys.executable, "-m", "examples.durable_research.demo"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=110, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert "Killed the process (SIGKILL) in the middle: 2 papers were weighed or being weighed." in lines
    assert lines[-1].startswith("No finished step ran twice: ")
