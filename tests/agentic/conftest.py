"""Agents run on every sidecar: the embedded one always, Dapr's own where its programs are found."""

from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from hub import AgentRunner
from hub.workflows import DaprAddress
from tests.agentic.model_server import ModelServer, open_model_server
from tests.sidecar.daprd import find_programs, running_daprd
from tests.sidecar.processes import DaprApi, running_sidecar
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


@pytest.fixture(scope="session", params=SIDECARS)
def dapr_api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprApi]:
    """A sidecar that answers."""
    folder = tmp_path_factory.mktemp("dapr")
    if request.param == "embedded":
        with running_sidecar(folder / "sidecar.db") as sidecar:
            yield sidecar.api
    else:
        assert PROGRAMS is not None
        with running_daprd(PROGRAMS, folder, "redis") as api:
            yield api


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
