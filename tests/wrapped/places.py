"""Where the adapters of the contract run: the tools of each environment behind one provider."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from adapters.hosted import open_host_provider
from adapters.inprocess import open_inprocess_provider
from adapters.openapi.provider import open_openapi_provider
from adapters.openapi.settings import OpenApiSettings
from adapters.settings import GraphSettings, HostedSettings
from hub.catalog.provider import Json, Provider
from hub.upstream import Surroundings
from tests.host.model_server import ModelServer
from tests.wrapped.environments import PROJECTS
from tests.wrapped.processes import kill_hosts
from tests.wrapped.working_service import open_working_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One environment."""

    open: Callable[[], AbstractAsyncContextManager[Provider]]
    """Its provider, for a test; what it keeps is kept from one to the next."""
    crash: Callable[[], None]
    """End what has run there, as a crash would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What places are made of."""

    surroundings: Surroundings
    model: ModelServer
    python: Callable[[str], Path]
    """The interpreter of an environment."""


class SeveralTargets(HostedSettings):
    """Many targets in one process, which saves the tests an import for each."""

    given: tuple[Json, ...]

    @property
    def reference(self) -> str:
        return ""

    def targets(self, name: str) -> list[Json]:
        return list(self.given)


class SeveralGraphs(GraphSettings):
    """Many graphs in one entry."""

    graph: str = ""

    def targets(self, name: str) -> list[Json]:
        return list(_TARGETS["langgraph"])


_TARGETS: Final[dict[str, tuple[Json, ...]]] = {
    "crewai": (
        *({"kind": "crew", "ref": f"crews:{name}"} for name in ("report_crew", "reviewed_crew", "failing_crew")),
        *({"kind": "flow", "ref": f"flows:{name}"} for name in ("CrewFlow", "ReviewFlow", "FailingFlow")),
    ),
    "langgraph": tuple({"kind": "graph", "ref": f"graphs:{name}"} for name in ("eight_nodes", "payment", "failing")),
    "functions": ({"kind": "functions", "ref": "functions.py"},),
}


@asynccontextmanager
async def open_place(environment: str, site: Site) -> AsyncGenerator[Place]:
    """Make ready whatever one environment's tools need."""
    if environment in _TARGETS:
        async with _hosted(environment, site) as place:
            yield place
    else:
        async with (_service if environment == "openapi" else _here)(site) as place:
            yield place


@asynccontextmanager
async def _hosted(environment: str, site: Site) -> AsyncGenerator[Place]:
    settings = SeveralTargets.model_validate(
        {
            "project": str(PROJECTS / f"{environment}_project"),
            "python": str(site.python(environment)),
            "env": {"MODEL_URL": site.model.url},
            "given": _TARGETS[environment],
        }
    )

    def crash() -> None:
        assert kill_hosts() == 1

    async with open_host_provider("contract", environment, settings, site.surroundings) as provider:
        yield Place(open=lambda: nullcontext(provider), crash=crash)


@asynccontextmanager
async def _service(site: Site) -> AsyncGenerator[Place]:
    async with open_working_service(site.model) as url:
        settings = OpenApiSettings(
            document=f"{url}/openapi.json", allow_private=True, idempotency_header="Idempotency-Key"
        )
        async with open_openapi_provider("contract", settings, site.surroundings) as provider:
            yield Place(open=lambda: nullcontext(provider), crash=lambda: None)


@asynccontextmanager
async def _here(site: Site) -> AsyncGenerator[Place]:
    """The hub's own process: a crash of it leaves what was kept, and that is what the next provider opens with."""
    settings = SeveralGraphs(isolation="inprocess", project=str(PROJECTS / "langgraph_project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_URL", site.model.url)
        yield Place(
            open=lambda: open_inprocess_provider("contract", "inprocess", settings, site.surroundings),
            crash=lambda: None,
        )
