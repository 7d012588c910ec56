"""Agents run on every sidecar: the embedded one always, Dapr's own where its programs are found."""

from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from hub import AgentRunner
from hub.workflows import DaprAddress
from tests.agentic.model_server import ModelServer, open_model_server
from tests.sidecar.daprd import find_programs
from tests.sidecar.own import OwnSidecar, open_own_sidecar
from tests.sidecar.processes import DaprApi
from tests.tooling.event_loop import one_event_loop

__all__ = ["one_event_loop"]

PROGRAMS = find_programs()
SIDECARS = ["embedded", *([pytest.param("daprd", marks=pytest.mark.daprd)] if PROGRAMS is not None else [])]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HUB_MODEL", "HUB_MODEL_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DAPR_GRPC_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DAPR_GRPC_PORT", "DAPR_API_TOKEN", "DAPR_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)


hung_before: list[str] = []
"""The tests before which daprd hung for good, by the defect that docs/real-dapr.md tells of."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if hung_before:
        terminalreporter.write_line(
            f"agentic: daprd hung for good and was started again (docs/real-dapr.md) before {', '.join(hung_before)}"
        )


@pytest.fixture(scope="session", params=SIDECARS)
def dapr_own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[OwnSidecar]:
    """A sidecar that answers."""
    kind = "embedded" if request.param == "embedded" else "redis"
    with open_own_sidecar(kind, tmp_path_factory.mktemp("dapr")) as sidecar:
        yield sidecar


@pytest.fixture
def dapr_api(dapr_own: OwnSidecar, request: pytest.FixtureRequest) -> DaprApi:
    """Where it answers."""
    if dapr_own.hangs():
        hung_before.append(request.node.name)
        dapr_own.kill()
        dapr_own.start()
    return dapr_own.api


@pytest.fixture
def dapr(dapr_api: DaprApi) -> DaprAddress:
    """Its address."""
    return DaprAddress(host=dapr_api.host, grpc_port=dapr_api.grpc_port)


@pytest.fixture
def runner_of(dapr: DaprAddress, tmp_path: Path, one_event_loop: None) -> Callable[..., AgentRunner]:
    """Makes a runner on that sidecar."""

    def build(*agents: Any, **settings: Any) -> AgentRunner:
        return AgentRunner(agents=agents, dapr=dapr, state_dir=tmp_path / "state", **settings)

    return build


@pytest.fixture
async def models(one_event_loop: None) -> AsyncGenerator[ModelServer]:
    """A model provider that does as it is told."""
    async with open_model_server() as server:
        yield server
