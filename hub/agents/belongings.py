"""What the steps of one agent have opened: its memory, and the connections to its tools."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import anyio
import anyio.abc

from hub.agents.agent import DurableAgent
from hub.agents.house import House, ToolSource
from hub.agents.kept import Kept
from hub.agents.memory.protocol import MemoryStore
from hub.catalog.provider import Provider
from hub.errors import InvalidInputError, UnknownNameError, UpstreamDownError

T = TypeVar("T")

_FIRST_LOOK_S = 30.0


class Belongings:
    """Each is opened at its first use, and closed by `close`, or when no step has used it for `house.idle_s`."""

    def __init__(self, agent: DurableAgent, house: House, group: anyio.abc.TaskGroup) -> None:
        self.agent = agent
        self._house = house
        self._group = group
        self._store = self._keep("memory", self._memory)
        self._providers: dict[int, Kept[Provider]] = {}

    def source(self, place: int) -> ToolSource:
        """The agent's source of tools at this place."""
        sources = self.agent.tool_sources
        if not 0 <= place < len(sources):
            raise UnknownNameError(f"agent {self.agent.name} has no source of tools number {place} any more")
        return sources[place]

    def store(self) -> AbstractAsyncContextManager[MemoryStore]:
        """The agent's memory, in use."""
        return self._store.use()

    def _memory(self) -> AbstractAsyncContextManager[MemoryStore]:
        memory = self.agent.memory
        if memory is None:
            raise InvalidInputError(f"agent {self.agent.name} has no memory any more; its run began with one")
        return memory.open_store(self._house)

    @contextlib.asynccontextmanager
    async def provider(self, place: int) -> AsyncGenerator[tuple[ToolSource, Provider]]:
        """A source of tools and its provider, in use; its server is there, or known to be down."""
        source = self.source(place)
        kept = self._providers.get(place)
        if kept is None:
            kept = self._keep(source.name, lambda: source.open_provider(self._house))
            self._providers[place] = kept
        async with kept.use() as provider:
            if provider.state.phase == "starting":
                await _started(provider)
            yield source, provider

    def _keep(self, what: str, open_context: Callable[[], AbstractAsyncContextManager[T]]) -> Kept[T]:
        return Kept(f"agent {self.agent.name}: {what}", open_context, group=self._group, idle_s=self._house.idle_s)

    @property
    def open_count(self) -> int:
        """How many of them are open."""
        return sum(each.is_open for each in self._all())

    async def close_unused(self) -> None:
        """Close what is open, once no step uses it; a later step opens it again."""
        for each in self._all():
            await each.close_unused()

    async def close(self) -> None:
        """Close what is open."""
        for each in self._all():
            await each.close()

    def _all(self) -> list[Kept[Any]]:
        return [*reversed(self._providers.values()), self._store]


async def _started(provider: Provider) -> None:
    """Wait until the server is there, or known to be down."""
    changed = anyio.Event()

    def heard(_: object) -> None:
        changed.set()

    stop = provider.watch(heard)
    try:
        with anyio.fail_after(_FIRST_LOOK_S):
            while provider.state.phase == "starting":
                await changed.wait()
                changed = anyio.Event()
    except TimeoutError as error:
        raise UpstreamDownError(f"{provider.name} is not there after {_FIRST_LOOK_S:g} s") from error
    finally:
        stop()
