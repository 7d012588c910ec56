"""What the steps of one agent have opened: its memory, and the connections to its tools."""

import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import anyio.abc

from hub.agents.agent import DurableAgent
from hub.agents.house import House, ToolSource
from hub.agents.memory.protocol import MemoryStore
from hub.catalog.provider import Provider
from hub.errors import InvalidInputError, UnknownNameError, UpstreamDownError

_FIRST_LOOK_S = 30.0


class Belongings:
    """Each is opened at its first use, and stays until `close`."""

    def __init__(self, agent: DurableAgent, house: House, group: anyio.abc.TaskGroup) -> None:
        self.agent = agent
        self._house = house
        self._group = group
        self._keeper = _Keeper(group)
        self._store: MemoryStore | None = None
        self._providers: dict[int, Provider] = {}
        self._opening = anyio.Lock()
        self._users = 0
        self._unused = anyio.Event()

    def source(self, place: int) -> ToolSource:
        """The agent's source of tools at this place."""
        sources = self.agent.tool_sources
        if not 0 <= place < len(sources):
            raise UnknownNameError(f"agent {self.agent.name} has no source of tools number {place} any more")
        return sources[place]

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncGenerator[MemoryStore]:
        """The agent's memory, in use."""
        with self._in_use():
            async with self._opening:
                store = self._store or await self._open_store()
            yield store

    async def _open_store(self) -> MemoryStore:
        memory = self.agent.memory
        if memory is None:
            raise InvalidInputError(f"agent {self.agent.name} has no memory any more; its run began with one")
        store: MemoryStore = await self._keeper.keep(memory.open_store(self._house))
        self._store = store
        return store

    @contextlib.asynccontextmanager
    async def provider(self, place: int) -> AsyncGenerator[tuple[ToolSource, Provider]]:
        """A source of tools and its provider, in use; its server is there, or known to be down."""
        with self._in_use():
            source = self.source(place)
            async with self._opening:
                provider = self._providers.get(place)
                if provider is None:
                    provider = self._providers[place] = await self._keeper.keep(source.open_provider(self._house))
            if provider.state.phase == "starting":
                await _started(provider)
            yield source, provider

    async def close_unused(self) -> None:
        """Close what is open, once no step uses it; a later step opens it again."""
        while self._users:
            self._unused = anyio.Event()
            await self._unused.wait()
        await self.close()

    async def close(self) -> None:
        """Close what is open."""
        keeper, self._keeper = self._keeper, _Keeper(self._group)
        self._store = None
        self._providers.clear()
        await keeper.close()

    @contextlib.contextmanager
    def _in_use(self) -> Generator[None]:
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()


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


class _Keeper:
    """Holds contexts open that were entered in some step, and closes them in a task of its own, the last one first."""

    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        self._group = group
        self._ends: list[tuple[anyio.Event, anyio.Event]] = []

    async def keep(self, context: Any) -> Any:
        """Enter a context for as long as the host is open."""
        end, ended = anyio.Event(), anyio.Event()
        entered = await self._group.start(self._hold, context, end, ended)
        self._ends.append((end, ended))
        if isinstance(entered, _Failed):
            raise entered.error
        return entered

    async def _hold(
        self, context: Any, end: anyio.Event, ended: anyio.Event, *, task_status: anyio.abc.TaskStatus[Any]
    ) -> None:
        begun = False
        try:
            async with context as value:
                begun = True
                task_status.started(value)
                await end.wait()
        except Exception as error:
            if begun:
                raise
            task_status.started(_Failed(error))
        finally:
            ended.set()

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            for end, ended in reversed(self._ends):
                end.set()
                await ended.wait()


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error
