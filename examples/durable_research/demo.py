"""Start the research, kill its process in the middle, start it again, and show that no finished step ran twice.

`python -m examples.durable_research.demo`; the exit status tells whether it is so.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import anyio

from examples.durable_research.program import RUN_ID
from examples.quickstart.feed import open_feed
from hub import AgentRunner
from hub.workflows import RunEvent

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST_S = 90.0


class WrongHistoryError(Exception):
    """A finished step ran twice, or one is missing."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="durable-research-") as folder, open_feed() as feed:
        try:
            show(Path(folder), feed)
        except (WrongHistoryError, TimeoutError) as error:
            say(f"Wrong: {error}")
            return 1
    return 0


def show(folder: Path, feed: str) -> None:
    """One crash, told step by step.

    Raises:
        WrongHistoryError: it is not as it should be.
    """
    ledger = folder / "ledger.txt"
    variables = {
        **os.environ,
        "PAPERS_BASE_URL": feed,
        "PAPERS_INTERVAL": "0",
        "RESEARCH_LEDGER": str(ledger),
        "RESEARCH_NOTES": str(folder / "notes.db"),
        "HUB_MODEL": os.environ.get("HUB_MODEL", "offline"),
    }
    say("Two agents research and keep findings; every call is a step of a durable run.")
    first = start(folder, variables)
    wait_for_lines(ledger, 2, first)
    first.kill()
    first.wait()
    before = ledger.read_text().split()
    say(f"Killed the process (SIGKILL) in the middle: {len(before)} papers were weighed or being weighed.")
    second = start(folder, variables)
    try:
        second.wait(LONGEST_S)
    except subprocess.TimeoutExpired as error:
        raise WrongHistoryError("the second process did not end") from error
    finally:
        second.kill()
    if second.returncode != 0:
        raise WrongHistoryError(f"the second process ended with status {second.returncode}")
    history = anyio.run(read_history, folder / "state")
    check(history, ledger.read_text().split())


def start(folder: Path, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "examples.durable_research.program", str(folder / "state")]
    return subprocess.Popen(command, cwd=CHECKOUT, env=variables, stdout=subprocess.DEVNULL)


def wait_for_lines(ledger: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + LONGEST_S
    while not ledger.is_file() or len(ledger.read_text().split()) < count:
        if process.poll() is not None:
            raise WrongHistoryError(f"the first process ended by itself with status {process.returncode}")
        if time.monotonic() > until:
            raise WrongHistoryError("the first process did not get to the middle")
        time.sleep(0.02)


async def read_history(state_dir: Path) -> list[RunEvent]:
    async with AgentRunner(state_dir=state_dir) as runner:
        return await runner.runs.history(RUN_ID)


def check(history: list[RunEvent], ledger: list[str]) -> None:
    """Show each step of the run, and how often its work was done.

    Raises:
        WrongHistoryError: more often than a crash explains.
    """
    steps = [event for event in history if event.kind == "taskScheduled"]
    ended = sum(event.kind == "taskCompleted" for event in history)
    done = Counter(ledger)
    say("The run's history after the second process:")
    for number, event in enumerate(steps, 1):
        times = f", carried out {done[event.key]}x" if event.key is not None and event.key in done else ""
        say(f"  {number:2}. {event.name}{times}")
    if len({event.key for event in steps}) != len(steps) or ended != len(steps):
        raise WrongHistoryError("a step stands in the history twice, or has not ended")
    repeated = [key for key, times in done.items() if times > 1]
    if len(repeated) > 1 or any(times > 2 for times in done.values()):
        raise WrongHistoryError(f"steps ran twice that had ended: {', '.join(repeated)}")
    again = "the step under way was carried out again" if repeated else "nothing had to be done again"
    say(f"No finished step ran twice: {again}.")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
