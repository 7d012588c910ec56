"""The greeter serves, remembers and ends when it is told to."""

import subprocess
import sys

from tests.tooling.locks import CHECKOUT


def test_the_tour_has_the_guests_remembered_by_a_program_that_ends_at_sigterm() -> None:
    command = [sys.executable, "-m", "examples.greeter.tour"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=110, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "A program with one agent serves; the terminal announces guests.",
        "SIGTERM: it has ended with status 0. It is started again.",
        "For Ann's second visit the model was told: My cat is called Mauzi. | What is my cat called?",
    ]
