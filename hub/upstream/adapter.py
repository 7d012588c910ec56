"""What an adapter is: how a thing that is no MCP server comes into the hub."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from hub.catalog.provider import Json, Provider
from hub.upstream.links import Links


class KeyStore(Protocol):
    """Text under keys, kept over restarts. `put` writes all of its items or none."""

    async def get(self, keys: Sequence[str]) -> dict[str, str]:
        """The values of those keys that are there."""
        ...

    async def put(self, items: Mapping[str, str]) -> None: ...

    async def delete(self, keys: Sequence[str]) -> None: ...


class EntrySettings(BaseModel):
    """What every entry of an adapter's section can say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{0,40}$", description="What stands before `__` in tool names."
    )
    tools: tuple[str, ...] | None = Field(default=None, description="Allowed tools, by own names or patterns.")
    hide: tuple[str, ...] = Field(default=(), description="Hidden tools, by own names or patterns.")
    enabled: bool = Field(default=True, description="`false`: the entry is left out.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an adapter gets of the process that it runs in."""

    folder: Path
    """Where relative paths of the settings start: the configuration's folder."""
    state: Path
    """A folder that the adapter may keep files in."""
    links: Links
    store: KeyStore
    log_path: Path | None = None
    """Where a program's error output is kept."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The hub's own environment: for the hub's own tools, never for a program that it hosts."""
    way_back: tuple[str, ...] | None = None
    """The command by which a program reaches the running hub over its pipe; allowed tools follow, one a word."""

    def place(self, path: str) -> Path:
        """A path of the settings, absolute."""
        return self.folder / Path(path).expanduser()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Something that can be added to hub.yaml."""

    what: str
    """In words: `a CrewAI crew (LatestAiDevelopment in src/latest/crew.py)`."""
    section: str
    name: str
    """A name for the entry; the user may choose another."""
    entry: Json
    """The entry as it would stand in hub.yaml."""
    hints: tuple[str, ...] = ()
    """What the user still has to do, a sentence each."""


@runtime_checkable
class Adapter(Protocol):
    """Found by the entry point group `hub.adapters`."""

    @property
    def sections(self) -> Mapping[str, type[BaseModel]]:
        """The model of each section of hub.yaml: a `RootModel` of entries (`EntrySettings`) by name."""
        ...

    async def recognise(self, place: str, surroundings: Surroundings) -> Sequence[Recognised]:
        """What of a path or address this adapter can take in; empty where it is none of its kinds."""
        ...

    def default_prefix(self, section: str, name: str, settings: EntrySettings) -> str:
        """What stands before the tools of an entry that sets no `prefix`; empty for nothing."""
        ...

    def open_provider(
        self, section: str, name: str, settings: EntrySettings, surroundings: Surroundings
    ) -> AbstractAsyncContextManager[Provider]:
        """Begin to look after one entry; does not wait for it.

        Raises:
            ConfigError: the entry can't work; the message says why.
        """
        ...
