"""The durable agents of a configuration: one connection to Dapr and one worker for all of them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, cast

from hub.catalog.catalog import Catalog
from hub.catalog.section import Section
from hub.config import LoadedConfig, Places
from hub.config.environment import variables
from hub.upstream import Links

if TYPE_CHECKING:
    from hub.agents.settings import AgentSettings

SECTION = "agents"


def agents_of(loaded: LoadedConfig) -> "Mapping[str, AgentSettings]":
    """The agents that are not left out, in the order of the file."""
    section = loaded.sections.get(SECTION)
    entries = cast("Mapping[str, AgentSettings]", getattr(section, "root", {}))
    return {name: settings for name, settings in entries.items() if settings.enabled}


@asynccontextmanager
async def open_agents(
    loaded: LoadedConfig, places: Places, catalog: Catalog, links: Links, own_urls: frozenset[str] = frozenset()
) -> AsyncGenerator[None]:
    """Run the configuration's agents and list them in the catalogue; without any, nothing is started.

    Raises:
        ConfigError: an entry names no agent.
        DaprDownError: the Dapr that the environment names does not answer.
    """
    wanted = agents_of(loaded)
    if not wanted:
        yield
        return
    # Loaded here: a hub without agents needs neither gRPC nor the SDK of Dapr.
    from hub.agents.house import House
    from hub.agents.loading import load_agent
    from hub.agents.provider import AgentProvider
    from hub.runner.agent_runner import open_agents_on
    from hub.runner.dapr import open_dapr_connection

    agents = [load_agent(name, settings, places.config.parent) for name, settings in wanted.items()]

    async def the_links() -> Links:
        return links

    async with AsyncExitStack() as stack:
        dapr = await stack.enter_async_context(open_dapr_connection(places, variables()))
        house = House(dapr=dapr, state_store="statestore", links=the_links, catalog=catalog, own_urls=own_urls)
        runs = await stack.enter_async_context(open_agents_on(house, agents, variables()))
        for agent, settings in zip(agents, wanted.values(), strict=True):
            catalog.add(
                Section(
                    provider=AgentProvider(agent, runs),
                    prefix=settings.prefix or "",
                    allowed=settings.tools,
                    hidden=settings.hide,
                )
            )
            stack.callback(catalog.remove, agent.name)
        yield
