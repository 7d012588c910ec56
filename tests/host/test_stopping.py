"""SIGTERM: what runs comes to a safe point, and the same call goes on in the next process."""

import signal
from collections import Counter

import pytest

from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand, Json, RawHost


def _until_refused(host: RawHost, tool: str, arguments: Json) -> None:
    """Call until the host has taken note of the signal: from then on it takes no new call."""
    while (answer := host.call(tool, arguments))["isError"] is False:
        pass
    assert answer["_meta"]["hub/code"] == "unavailable"


@pytest.mark.parametrize(
    ("environment", "tool", "held", "calls"),
    [
        ("crewai", "six", "t2", {f"t{place}": 1 for place in range(6)}),
        ("langgraph", "eight", "n2", {f"n{place}": 1 for place in range(8)}),
    ],
)
def test_a_run_drains_at_its_next_step_and_goes_on_in_the_next_process(
    commands: dict[str, HostCommand], model: ModelServer, environment: str, tool: str, held: str, calls: dict[str, int]
) -> None:
    topic = f"drained {environment}"
    gate = model.hold(held, topic)
    with commands[environment].open() as host:
        pending = host.submit_call(tool, {"topic": topic}, key=topic)
        assert gate.arrived.wait(60)
        host.process.send_signal(signal.SIGTERM)
        _until_refused(host, tool, {"topic": f"{topic} late"})
        gate.opened.set()
        stopped = pending.result()
        assert host.wait() == 0
    assert stopped["isError"] is True
    assert stopped["_meta"] == {
        "hub/code": "unavailable",
        "hub/retryable": True,
        "hub/run": topic,
        "io.modelcontextprotocol/serverInfo": {"name": "interop-hub-host", "version": "0.1.0"},
    }
    with commands[environment].open() as host:
        assert host.call(tool, {"topic": topic}, key=topic)["isError"] is False
    assert model.calls(topic) == Counter(calls)


def test_a_short_call_ends_well_while_the_host_drains(commands: dict[str, HostCommand], model: ModelServer) -> None:
    gate = model.hold("f2", "short")
    with commands["functions"].open() as host:
        pending = host.submit_call("three_steps", {"topic": "short"})
        assert gate.arrived.wait(30)
        host.process.send_signal(signal.SIGTERM)
        _until_refused(host, "noisy", {})
        gate.opened.set()
        assert pending.result()["structuredContent"] == {"result": [f"f{place} about short" for place in range(3)]}
        assert host.wait() == 0
