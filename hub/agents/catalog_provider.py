"""The hub's own catalogue as a provider: what an agent in the hub calls without a network."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hub.catalog.catalog import Catalog
from hub.catalog.provider import Caller, Json, Kind, Listener, Outcome, ProviderState, TaskVerb

_SETTLE_S = 20.0


class CatalogProvider:
    """Everything that the hub lists, under its public names; policies hold as for any caller."""

    def __init__(self, name: str, catalog: Catalog) -> None:
        self._name = name
        self._catalog = catalog
        self._since = datetime.now(UTC)

    @property
    def name(self) -> str:
        return self._name

    @property
    def state(self) -> ProviderState:
        return ProviderState(phase="ready", since=self._since)

    async def list(self, kind: Kind) -> Sequence[Json]:
        await self._catalog.settled(_SETTLE_S)
        return self._catalog.entries(kind)

    async def call(self, params: Json, caller: Caller) -> Outcome:
        return await self._catalog.call_tool(params, caller)

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome:
        return await self._catalog.get_prompt(params, caller)

    async def read(self, params: Json, caller: Caller) -> Outcome:
        return await self._catalog.read(params, caller)

    async def complete(self, params: Json, caller: Caller) -> Json:
        return await self._catalog.complete(params, caller)

    async def subscribe(self, uri: str) -> None:
        await self._catalog.subscribe(uri)

    async def unsubscribe(self, uri: str) -> None:
        await self._catalog.unsubscribe(uri)

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        return await self._catalog.task(verb, params, caller)

    def watch(self, listener: Listener) -> Callable[[], None]:
        return self._catalog.watch(listener)
