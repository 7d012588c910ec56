"""The durable agents of a configuration: one connection to Dapr and one worker for all of them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hub.catalog.catalog import Catalog
from hub.catalog.section import Section
from hub.config import LoadedConfig, Places
from hub.config.environment import variables
from hub.upstream import Links

if TYPE_CHECKING:
    from hub.agents import DurableAgent
    from hub.agents.settings import AgentSettings
    from hub.runner.hosting import HostedAgents
    from hub.workflows import Runs

SECTION = "agents"


def agents_of(loaded: LoadedConfig) -> "Mapping[str, AgentSettings]":
    """The agents that are not left out, in the order of the file."""
    section = loaded.sections.get(SECTION)
    entries = cast("Mapping[str, AgentSettings]", getattr(section, "root", {}))
    return {name: settings for name, settings in entries.items() if settings.enabled}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEntry:
    """One entry of `agents:`, its agent, and the runs that a call starts."""

    settings: "AgentSettings"
    agent: "DurableAgent"
    runs: "Runs"

    @asynccontextmanager
    async def open_section(self) -> AsyncGenerator[Section]:
        """The agent as a part of the catalogue."""
        from hub.agents.provider import AgentProvider

        yield Section(
            provider=AgentProvider(self.agent, self.runs),
            prefix=self.settings.prefix or "",
            allowed=self.settings.tools,
            hidden=self.settings.hide,
        )


class Agents:
    """The agents of a hub; opened by `open_agents`."""

    def __init__(
        self, *, places: Places, catalog: Catalog, links: Links, own_urls: frozenset[str], stack: AsyncExitStack
    ) -> None:
        self._places = places
        self._catalog = catalog
        self._links = links
        self._own_urls = own_urls
        self._stack = stack
        self._hosted: HostedAgents | None = None
        self._entries: dict[str, AgentEntry] = {}

    async def apply(self, wanted: "Mapping[str, AgentSettings]") -> Mapping[str, AgentEntry]:
        """Run these agents, in the place of all others; an entry that did not change keeps its agent.

        Without any, nothing is started.

        Returns:
            What the hub is to list; an entry that did not change is equal to the earlier one.

        Raises:
            ConfigError: an entry names no agent; nothing is changed.
            DaprDownError: the Dapr that the environment names does not answer.
            MissingComponentError: it lacks a component that an agent needs.
        """
        if not wanted and self._hosted is None:
            return {}
        # Loaded here: a hub without agents needs neither gRPC nor the SDK of Dapr.
        from hub.agents.loading import as_entry, find_agent

        kept = {name: entry for name, entry in self._entries.items() if wanted.get(name) == entry.settings}
        folder = self._places.config.parent
        found = {
            name: kept[name].agent if name in kept else find_agent(name, settings, folder)
            for name, settings in wanted.items()
        }
        hosted = self._hosted or await self._open()
        entries = [as_entry(agent, name, wanted[name]) for name, agent in found.items()]
        await hosted.check(entries)
        hosted.take(entries)
        self._entries = {
            name: kept.get(name) or AgentEntry(settings=wanted[name], agent=agent, runs=hosted.runs)
            for name, agent in found.items()
        }
        return self._entries

    async def _open(self) -> "HostedAgents":
        from hub.agents.house import House
        from hub.runner.dapr import open_dapr_connection
        from hub.runner.hosting import open_agents_on

        async def the_links() -> Links:
            return self._links

        async with AsyncExitStack() as opening:
            dapr = await opening.enter_async_context(open_dapr_connection(self._places, variables()))
            house = House(
                dapr=dapr,
                state_store="statestore",
                links=the_links,
                catalog=self._catalog,
                own_urls=self._own_urls,
            )
            self._hosted = await opening.enter_async_context(open_agents_on(house, [], variables()))
            self._stack.push_async_exit(opening.pop_all())
        self._stack.callback(self._unlist)
        return self._hosted

    def _unlist(self) -> None:
        for name in self._entries:
            self._catalog.remove(name)


@asynccontextmanager
async def open_agents(
    places: Places, catalog: Catalog, links: Links, own_urls: frozenset[str] = frozenset()
) -> AsyncGenerator[Agents]:
    """The agents of a hub, none yet; on exit they are taken out of the catalogue and end.

    `Agents.apply` is to be called by the task that opened this.
    """
    async with AsyncExitStack() as stack:
        yield Agents(places=places, catalog=catalog, links=links, own_urls=own_urls, stack=stack)
