"""What a command works on: the running hub of a configuration, or its servers straight from the file."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from hub.app.agents import agents_of, open_agents
from hub.app.bridge import authorization, bridge_to
from hub.app.hub import Hub, open_hub, wanted_of
from hub.catalog.catalog import Catalog
from hub.catalog.provider import Json
from hub.config import LoadedConfig, Places, Running, read_running
from hub.gateway.readiness import readiness

_SETTLE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a command works on: the running hub of a configuration, or its servers straight from the file."""

    catalog: Catalog
    running: bool
    _settled: Callable[[], Json]

    async def servers(self) -> list[Json]:
        """Each server's state, as `/readyz` has it."""
        return self._settled()["servers"]

    async def withheld(self) -> list[Json]:
        """The names that are not listed: `name`, `owner`, `newcomer`, `problem`."""
        return self._settled()["withheld"]


@asynccontextmanager
async def open_target(loaded: LoadedConfig, places: Places) -> AsyncGenerator[Target, None]:
    """Reach the running hub, else start the configuration's servers for as long as this is open."""
    running = read_running(places)
    async with open_hub(places) as hub:
        if running is None:
            async with open_agents(places, hub.catalog, hub.links) as agents:
                await hub.apply({**wanted_of(loaded), **await agents.apply(agents_of(loaded))})
                await hub.catalog.settled(_SETTLE_S)
                yield Target(catalog=hub.catalog, running=False, _settled=lambda: readiness(hub.catalog)[1])
        else:
            await hub.apply({"hub": bridge_to(running)})
            await hub.catalog.settled(_SETTLE_S)
            states = await _fetch_states(hub, running)
            yield Target(catalog=hub.catalog, running=True, _settled=lambda: states)


async def _fetch_states(hub: Hub, running: Running) -> Json:
    parts = urlsplit(running.url)
    url = urlunsplit((parts.scheme, parts.netloc, "/readyz", "", ""))
    return await hub.fetch_json(url, authorization(running))
