"""Crews and graphs as values for an agent's `tools=[...]`."""

import hashlib
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from adapters.recognition import nearest_project
from adapters.settings import CrewSettings, FlowSettings, GraphSettings, HostedSettings
from hub.catalog.provider import Json, Provider
from hub.errors import ConfigError
from hub.upstream import KeyStore, Links, Surroundings


class HouseLike(Protocol):
    """What is taken of the process that an agent runs in."""

    @property
    def links(self) -> Callable[[], Awaitable[Links]]:
        """The connections to programs and servers."""
        ...

    @property
    def dapr(self) -> Any:
        """The connection to Dapr."""
        ...

    @property
    def state_store(self) -> str:
        """Dapr's state component."""
        ...


class _HostedTool:
    """A crew, flow or graph, run in its own environment behind the host program."""

    _section: str

    def __init__(self, settings: HostedSettings, name: str) -> None:
        self._settings = settings
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def settings(self) -> HostedSettings:
        """What would stand in hub.yaml."""
        return self._settings

    def is_offered(self, definition: Json) -> bool:
        """Whether a model may see this tool: it has no other."""
        return True

    @asynccontextmanager
    async def open_provider(self, house: HouseLike) -> AsyncGenerator[Provider]:
        """The provider of the tool, for as long as the context lasts."""
        from adapters.dapr_keys import DaprKeys
        from adapters.hosted_adapter import open_entry

        store: KeyStore = DaprKeys(house.dapr, house.state_store)
        around = Surroundings(
            folder=Path.cwd(),
            state=_cache_folder(self._settings, self._name),
            links=await house.links(),
            store=store,
            variables=_variables(),
        )
        async with open_entry(self._section, self._name, self._settings, around) as provider:
            yield provider


class CrewAITool(_HostedTool):
    """A CrewAI crew as a tool.

    Args:
        crew: `package.module:Name`, `path/file.py:Name`, `path/crew.jsonc`, or an object that its module has under a
            name. It always runs in its own environment; nothing of the object itself is used.
        name: what models call it.
        project: folder of the crew's project, where its environment is; default: for a file the nearest one above it,
            else the current folder.
        env: environment of the crew's process, besides HOME, PATH and a few more.
        more: other keys of an entry of `crews:` in hub.yaml.

    Raises:
        ConfigError: the object can't be found again by a name; the message says which reference to write.
    """

    _section = "crews"

    def __init__(
        self,
        *,
        crew: object,
        name: str,
        project: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        description: str | None = None,
        **more: Any,
    ) -> None:
        entry = _entry("crew", crew, project, env, description, more)
        super().__init__(CrewSettings.model_validate(entry), name)


class CrewAIFlowTool(_HostedTool):
    """A CrewAI flow as a tool; the arguments are those of `CrewAITool`."""

    _section = "flows"

    def __init__(
        self,
        *,
        flow: object,
        name: str,
        project: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        description: str | None = None,
        **more: Any,
    ) -> None:
        entry = _entry("flow", flow, project, env, description, more)
        super().__init__(FlowSettings.model_validate(entry), name)


class LangGraphTool(_HostedTool):
    """A LangGraph graph as a tool.

    Args:
        graph: `package.module:name`, `path/file.py:name`, `langgraph.json:name`, or an object that its module has
            under a name.
        name: what models call it.
        project: folder of the graph's project, where its environment is; default: for a file the nearest one above
            it, else the current folder.
        env: environment of the graph's process, besides HOME, PATH and a few more.
        more: other keys of an entry of `graphs:` in hub.yaml.

    Raises:
        ConfigError: the object can't be found again by a name; the message says which reference to write.
    """

    _section = "graphs"

    def __init__(
        self,
        *,
        graph: object,
        name: str,
        project: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        description: str | None = None,
        **more: Any,
    ) -> None:
        entry = _entry("graph", graph, project, env, description, more)
        super().__init__(GraphSettings.model_validate(entry), name)


def _entry(
    key: str,
    found: object,
    project: str | Path | None,
    env: Mapping[str, str] | None,
    description: str | None,
    more: Mapping[str, Any],
) -> Json:
    if project is None:
        project, found = _project_of(found)
    place = Path(project).expanduser().absolute()
    reference = found if isinstance(found, str) else _reference_of(found, key, place)
    return {
        key: reference,
        "project": str(place),
        "env": dict(env or {}),
        "description": description,
        **more,
    }


def _project_of(found: object) -> tuple[Path, object]:
    """The project that a file reference or an object lies in, and the reference from there."""
    if isinstance(found, str):
        file, colon, attribute = found.rpartition(":")
        path = Path(file if colon else attribute).expanduser().absolute()
        if path.is_file():
            project = nearest_project(path)
            return project, path.relative_to(project).as_posix() + (f":{attribute}" if colon else "")
    return Path.cwd(), found


def _reference_of(found: object, key: str, project: Path) -> str:
    """The reference by which another process finds the object.

    Raises:
        ConfigError: there is none.
    """
    own = getattr(found, "__module__", None)
    name = getattr(found, "__qualname__", None)
    if isinstance(own, str) and isinstance(name, str) and "<locals>" not in name:
        return f"{_place_of(sys.modules.get(own), own, project)}:{name}"
    for module in tuple(sys.modules.values()):
        for attribute, value in tuple(vars(module).items()):
            if value is found and not attribute.startswith("_"):
                return f"{_place_of(module, module.__name__, project)}:{attribute}"
    raise ConfigError(
        f"{key}: found an object of type {type(found).__name__} that no module has under a name; "
        f'expected a reference; write {key}="package.module:name"'
    )


def _place_of(module: ModuleType | None, name: str, project: Path) -> str:
    """The module's file where it is in the project, and its dotted name otherwise."""
    file = cast("str | None", getattr(module, "__file__", None))
    if file is not None and Path(file).is_relative_to(project):
        return Path(file).relative_to(project).as_posix()
    return name


def _cache_folder(settings: HostedSettings, name: str) -> Path:
    """Where manifests and the framework's own files are kept: under the user's cache."""
    digest = hashlib.sha256(f"{settings.project} {settings.reference} {name}".encode()).hexdigest()[:12]
    given = _variables().get("XDG_CACHE_HOME", "")
    root = Path(given) if given.startswith("/") else Path.home() / ".cache"
    folder = root / "interop-hub" / digest
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _variables() -> Mapping[str, str]:
    """The environment, for uv and for the user's folders; nothing of it reaches the crew."""
    return os.environ  # noqa: TID251 - a program of its own uses this value, without the hub's configuration
