"""The servers of one configuration behind one catalogue: everything that is opened here is closed here."""

import logging
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as distribution_version
from typing import cast

import anyio
import anyio.abc
from pydantic_core import from_json

from hub.app.agents import AgentEntry
from hub.app.state_file import StateFile, open_state_file
from hub.catalog.catalog import Catalog, open_catalog
from hub.catalog.policy import ArgumentCheck
from hub.catalog.provider import Era, Json
from hub.catalog.section import Section
from hub.config import AdapterEntry, LoadedConfig, Places, adapter_entries, base_env, enabled_servers, variables
from hub.errors import UpstreamDownError
from hub.upstream import Links, ServerSettings, Surroundings, open_links, open_upstream

log = logging.getLogger(__name__)

NAME = "interop-hub"
VERSION = distribution_version("interop-hub")
_HUB = "from hub.cli.main import run; run()"


Wanted = ServerSettings | AdapterEntry | AgentEntry
"""What a name of the configuration stands for."""


def wanted_of(loaded: LoadedConfig) -> dict[str, Wanted]:
    """What is to be served besides agents: the servers, and the entries of the adapters' sections."""
    return {**enabled_servers(loaded.resolved), **adapter_entries(loaded.sections)}


@dataclass(slots=True)
class _Server:
    settings: Wanted
    stop: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Hub:
    """The servers of one configuration behind one catalogue; opened by `open_hub`."""

    def __init__(
        self, *, catalog: Catalog, links: Links, places: Places, group: anyio.abc.TaskGroup, kept: StateFile
    ) -> None:
        self.catalog = catalog
        self._links = links
        self._places = places
        self._kept = kept
        self._group = group
        self._servers: dict[str, _Server] = {}
        self._eras = places.read_eras()

    @property
    def links(self) -> Links:
        """The connections to servers, for who calls one beside the catalogue."""
        return self._links

    async def apply(self, wanted: Mapping[str, Wanted]) -> None:
        """Make these the hub's servers: those that did not change keep their connections and calls."""
        for name in [name for name, server in self._servers.items() if wanted.get(name) != server.settings]:
            server = self._servers.pop(name)
            self.catalog.remove(name)
            server.stop.set()
            if name in wanted:
                await server.ended.wait()
        for name, settings in wanted.items():
            if name not in self._servers:
                server = self._servers[name] = _Server(settings)
                await self._group.start(self._run, name, server)
        self.catalog.arrange(list(wanted))

    async def _run(self, name: str, server: _Server, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        settings = server.settings
        try:
            async with self.open_section(name, settings) as section:
                self.catalog.add(section)
                task_status.started()
                await server.stop.wait()
        finally:
            server.ended.set()

    def open_section(self, name: str, settings: Wanted) -> AbstractAsyncContextManager[Section]:
        """A provider with the rules of its listing, outside of the catalogue."""
        if isinstance(settings, AgentEntry):
            return settings.open_section()
        return self._adapted(name, settings) if isinstance(settings, AdapterEntry) else self._upstream(name, settings)

    @asynccontextmanager
    async def _upstream(self, name: str, settings: ServerSettings) -> AsyncGenerator[Section]:
        async with open_upstream(
            name,
            settings,
            links=self._links,
            log_path=self._places.log_of(name),
            remembered_era=self._eras.get(name),
            on_era=lambda era: self._remember(name, era),
        ) as provider:
            yield Section(
                provider=provider,
                prefix="" if settings.transparent else name if settings.prefix is None else settings.prefix,
                transparent=settings.transparent,
                allowed=settings.tools,
                hidden=settings.hide,
            )

    @asynccontextmanager
    async def _adapted(self, name: str, entry: AdapterEntry) -> AsyncGenerator[Section]:
        adapter, settings = entry.adapter, entry.settings
        async with adapter.open_provider(entry.section, name, settings, self.surroundings(name)) as provider:
            prefix = settings.prefix
            yield Section(
                provider=provider,
                prefix=adapter.default_prefix(entry.section, name, settings) if prefix is None else prefix,
                allowed=settings.tools,
                hidden=settings.hide,
            )

    def surroundings(self, name: str) -> Surroundings:
        """What an adapter gets of this process for one entry."""
        return Surroundings(
            folder=self._places.config.parent,
            state=self._places.state,
            links=self._links,
            store=self._kept,
            log_path=self._places.log_of(name),
            variables=variables(),
            way_back=(sys.executable, "-c", _HUB, "connect", str(self._places.state)),
        )

    async def fetch_json(self, url: str, headers: Mapping[str, str]) -> Json:
        """GET a JSON object over the hub's own connections.

        Raises:
            UpstreamDownError: no answer, or no JSON object.
        """
        import aiohttp

        try:
            async with self._links.http.get(url, headers=headers) as response:
                body: object = from_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UpstreamDownError("the running hub does not answer; look at it, or stop it and try again") from error
        return cast("Json", body) if isinstance(body, dict) else {}

    def _remember(self, name: str, era: Era) -> None:
        if self._eras.get(name) != era:
            self._eras[name] = era
            self._places.write_eras(self._eras)


@asynccontextmanager
async def open_hub(places: Places) -> AsyncGenerator[Hub, None]:
    """A hub without servers; `Hub.apply` gives it some. On exit every server is ended."""
    places.make()
    async with (
        open_links(base_env=base_env(), seal_key=places.seal_key(), version=VERSION) as links,
        open_state_file(places.state / "hosted.sqlite3") as kept,
        open_catalog([ArgumentCheck()]) as catalog,
        anyio.create_task_group() as group,
    ):
        catalog.expect()
        hub = Hub(catalog=catalog, links=links, places=places, group=group, kept=kept)
        try:
            yield hub
        finally:
            with anyio.CancelScope(shield=True):
                await hub.apply({})
