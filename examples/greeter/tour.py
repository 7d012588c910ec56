"""A program that serves until it is told to stop, used from the terminal: `python -m examples.greeter.tour`."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HUB = str(Path(sys.executable).with_name("hub"))
LONGEST_S = 60.0


class GreeterTour:
    """The program and the commands, with a state of their own.

    Args:
        state: folder for what the program keeps.
    """

    def __init__(self, state: Path) -> None:
        self._environment = {"HUB_MODEL": "offline", **os.environ, "XDG_STATE_HOME": str(state)}

    @contextmanager
    def serving(self) -> Generator["subprocess.Popen[str]"]:
        """The program, until the block ends: it serves, is told to stop, and ends well."""
        command = [sys.executable, "program.py"]
        with subprocess.Popen(command, cwd=HERE, env=self._environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            try:
                assert any("runs greeter" in line for line in process.stderr), "it ended before it served"
                yield process
                process.send_signal(signal.SIGTERM)
                assert process.wait(LONGEST_S) == 0
            finally:
                process.kill()

    def arrives(self, guest: str, words: str) -> list[str]:
        """Announce a guest and wait for the greeting.

        Returns:
            What the guest has said so far, as the model was told it.
        """
        event = json.dumps({"guest": guest, "says": words})
        event_id = self._hub("events", "publish", "guest-arrived", event)["id"]
        run_id = f"guest-arrived.greet:hub:{event_id}"
        until = time.monotonic() + LONGEST_S
        while not (conversation := self._conversation_of(run_id)):
            assert time.monotonic() < until, f"{guest} was not greeted"
            time.sleep(0.1)
        history = self._hub("run", "events", conversation)["events"]
        [asked] = [entry["value"]["request"]["messages"] for entry in history if entry["name"] == "hub.agents.model"]
        return [message["parts"][0]["content"] for message in asked if message["kind"] == "request"]

    def _conversation_of(self, run_id: str) -> str | None:
        """The run of the agent that the event's run started, once it is finished."""
        for run in self._hub("runs", "--children")["runs"]:
            if (run["workflow"], run["status"]) == ("greeter.run", "completed") and run["runId"].startswith(run_id):
                return str(run["runId"])
        return None

    def _hub(self, *words: str) -> dict[str, Any]:
        command = [HUB, *words, "--json"]
        ended = subprocess.run(
            command, cwd=HERE, env=self._environment, stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST_S
        )
        told: dict[str, Any] = json.loads(ended.stdout)
        return told


def tour(state: Path) -> None:
    """Two guests, a restart, and what is remembered of whom."""
    greeter = GreeterTour(state)
    with greeter.serving():
        say("A program with one agent serves; the terminal announces guests.")
        assert greeter.arrives("ann", "My cat is called Mauzi.") == ["My cat is called Mauzi."]
        told = greeter.arrives("bob", "What is my cat called?")
        assert told == ["What is my cat called?"], "each guest has a conversation of their own"
    say("SIGTERM: it has ended with status 0. It is started again.")
    with greeter.serving():
        told = greeter.arrives("ann", "What is my cat called?")
    say(f"For Ann's second visit the model was told: {' | '.join(told)}")
    assert told == ["My cat is called Mauzi.", "What is my cat called?"], "what Ann said is remembered"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="greeter-") as folder:
        tour(Path(folder))
