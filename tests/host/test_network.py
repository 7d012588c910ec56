"""A framework under the host opens no connection but to its model."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.host.conftest import PROJECTS
from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand


@pytest.mark.parametrize(
    ("environment", "targets", "calls"),
    [
        (
            "crewai",
            ("crew:crews:noisy_crew", "crew:crews:report_crew", "crew:crews:led_crew", "flow:flows:CrewFlow"),
            {"noisy": {}, "report": {"audience": "kids"}, "led": {}, "crew_flow": {}},
        ),
        ("langgraph", ("graph:graphs:eight_nodes", "graph:graphs:nested"), {"eight": {}, "nested": {}}),
    ],
)
def test_nothing_is_connected_to_but_the_model_server(
    commands: dict[str, HostCommand],
    model: ModelServer,
    tmp_path: Path,
    environment: str,
    targets: tuple[str, ...],
    calls: dict[str, dict[str, str]],
) -> None:
    log = tmp_path / "sockets.log"
    base = commands[environment]
    env = {
        "MODEL_URL": model.url,
        "HOME": str(tmp_path),  # a first run, in crewai's eyes
        "PYTHONPATH": str(PROJECTS / "guard"),
        "SOCKET_LOG": str(log),
    }
    command = HostCommand(python=base.python, project=base.project, targets=targets, env=env)
    with command.open() as host:
        for tool, more in calls.items():
            assert host.call(tool, {"topic": f"guarded {tool}", **more})["isError"] is False
        assert host.close() == 0
    port = urlsplit(model.url).port
    allowed = {
        f"socket.connect ('127.0.0.1', {port})",
        f"socket.getaddrinfo ('127.0.0.1', {port})",
    }
    assert set(log.read_text().splitlines()) == allowed
