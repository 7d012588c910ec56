"""The sections `crews:`, `flows:`, `graphs:` and `functions:`."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
from pydantic import BaseModel

from adapters.recognition import recognise_project
from adapters.settings import Crews, Flows, Functions, FunctionSettings, Graphs, GraphSettings, HostedSettings
from hub.catalog.provider import Provider
from hub.upstream import EntrySettings, Recognised, Surroundings


class HostedAdapter:
    """What runs behind the host program, in an environment of its own."""

    @property
    def sections(self) -> Mapping[str, type[BaseModel]]:
        return {"crews": Crews, "flows": Flows, "graphs": Graphs, "functions": Functions}

    async def recognise(self, place: str, surroundings: Surroundings) -> Sequence[Recognised]:
        if "://" in place:
            return ()
        return await anyio.to_thread.run_sync(recognise_project, Path(place), surroundings.folder)

    def default_prefix(self, section: str, name: str, settings: EntrySettings) -> str:
        """One tool is called as its entry; the tools of a module or project stand behind the entry's name."""
        if isinstance(settings, GraphSettings):
            return name if settings.is_whole_project else ""
        if isinstance(settings, FunctionSettings):
            return "" if settings.is_one else name
        return ""

    @asynccontextmanager
    async def open_provider(
        self, section: str, name: str, settings: EntrySettings, surroundings: Surroundings
    ) -> AsyncGenerator[Provider]:
        if not isinstance(settings, HostedSettings):
            raise TypeError(f"{section} has entries of another kind")
        async with open_entry(section, name, settings, surroundings) as provider:
            yield provider


@asynccontextmanager
async def open_entry(
    section: str, name: str, settings: HostedSettings, surroundings: Surroundings
) -> AsyncGenerator[Provider]:
    """Begin to look after one entry, where its settings want it to run; this does not wait for it."""
    if isinstance(settings, GraphSettings) and settings.isolation == "inprocess":
        from adapters.inprocess import open_inprocess_provider

        async with open_inprocess_provider(section, name, settings, surroundings) as provider:
            yield provider
    else:
        from adapters.hosted import open_host_provider

        async with open_host_provider(section, name, settings, surroundings) as provider:
            yield provider


adapter = HostedAdapter()
