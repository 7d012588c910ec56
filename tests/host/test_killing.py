"""SIGKILL at random moments: every run ends right, and no finished step makes its model calls again."""

import contextlib
import random
from pathlib import Path

import pytest

from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand, HostGoneError

SHORT, FULL = {"file": 3, "client": 2}, 100


@pytest.mark.crash
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("keeps", ["file", "client"])
@pytest.mark.parametrize(
    ("environment", "target", "tool", "steps"),
    [
        ("crewai", "crew:crews:six_tasks", "six", [f"t{place}" for place in range(6)]),
        ("langgraph", "graph:graphs:eight_nodes", "eight", [f"n{place}" for place in range(8)]),
    ],
)
def test_a_killed_run_ends_right_and_repeats_only_the_call_in_flight(
    commands: dict[str, HostCommand],
    model: ModelServer,
    tmp_path: Path,
    full: bool,
    environment: str,
    target: str,
    tool: str,
    steps: list[str],
    keeps: str,
) -> None:
    dice = random.Random(f"{environment} {keeps}")
    base = commands[environment]
    command = HostCommand(
        python=base.python,
        project=base.project,
        targets=(target,),
        env=base.env,
        more=("--state-dir", str(tmp_path)) if keeps == "file" else (),
    )
    state: dict[str, str] | None = {} if keeps == "client" else None
    done: dict[str, object] = {}
    for number in range(FULL if full else SHORT[keeps]):
        topic = f"killed {environment} {keeps} {number}"
        step = dice.choice(steps)
        gate = model.hold(step, topic)
        with command.open(state=state) as host:
            pending = host.submit_call(tool, {"topic": topic}, key=topic)
            assert gate.arrived.wait(60)
            if dice.random() < 0.5:  # at the call itself, or a moment after its answer
                gate.opened.set()
                while model.calls(topic).total() < steps.index(step) + dice.randint(1, 2):
                    if pending.future.done():
                        break
            host.kill()
            gate.opened.set()
            with contextlib.suppress(HostGoneError):  # it may have been done a moment before
                pending.reply()
        with command.open(state=state) as host:
            answer = host.call(tool, {"topic": topic}, key=topic)
        calls = model.calls(topic)
        assert set(calls) == set(steps)
        assert calls.total() <= len(steps) + 1, calls
        done[topic] = answer["structuredContent"].get("trail") or answer["structuredContent"]["result"]
    for topic, result in done.items():
        whole = [f"{step} about {topic}" for step in steps]
        assert result == (whole if tool == "eight" else whole[-1])
