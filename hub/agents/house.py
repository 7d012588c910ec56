"""What steps of agents may use of the process that they run in."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from hub.agents.signatures import Json
from hub.catalog.catalog import Catalog
from hub.catalog.provider import Provider
from hub.upstream import Links
from hub.workflows import DaprConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The process's own connections; each is opened at its first use."""

    dapr: DaprConnection
    state_store: str
    """Dapr's state component."""
    links: Callable[[], Awaitable[Links]]
    """The connections to MCP servers."""
    catalog: Catalog | None = None
    """The hub's own catalogue, in the hub."""
    own_urls: frozenset[str] = frozenset()
    """Addresses that are this hub itself: what is called there takes no network."""
    idle_s: float = 300.0
    """Seconds without use after which a memory, or a connection to a server of tools, is closed; a later step opens it
    again."""


@runtime_checkable
class ToolSource(Protocol):
    """What may stand in an agent's `tools` besides functions and agents: a value that knows how to reach tools."""

    @property
    def name(self) -> str:
        """Stands before a tool's name where two sources have the same."""
        ...

    def open_provider(self, house: House) -> AbstractAsyncContextManager[Provider]:
        """The provider of the tools, for as long as the context lasts."""
        ...

    def is_offered(self, definition: Json) -> bool:
        """Whether the agent's model may see and call this tool."""
        ...
