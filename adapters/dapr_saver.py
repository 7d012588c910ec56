"""LangGraph's checkpoints in Dapr's state store: that of the embedded sidecar, or of any Dapr.

Import it where LangGraph is installed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dapr.aio.clients import DaprClient
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType

from adapters.host.interop_hub_host.saver import StoreSaver
from adapters.host.interop_hub_host.storage import PrefixStore


class DaprStore:
    """Three calls of Dapr's state API; each write is one transaction.

    Source: Dapr v1.18, State management API, state transactions.
    """

    def __init__(self, client: DaprClient, store_name: str) -> None:
        self._client = client
        self._store_name = store_name

    async def get(self, key: str) -> str | None:
        data = (await self._client.get_state(self._store_name, key)).data
        return data.decode() if data else None

    async def put(self, items: Mapping[str, str]) -> None:
        await self._commit([TransactionalStateOperation(key=key, data=value) for key, value in items.items()])

    async def delete(self, keys: Iterable[str]) -> None:
        delete = TransactionOperationType.delete
        await self._commit([TransactionalStateOperation(key=key, operation_type=delete) for key in keys])

    async def _commit(self, operations: list[TransactionalStateOperation]) -> None:
        if operations:
            await self._client.execute_state_transaction(self._store_name, operations)


class DaprSaver(StoreSaver):
    """A checkpointer for `graph.compile(checkpointer=DaprSaver(client))`.

    Args:
        client: an open asynchronous client; it belongs to the caller.
        store_name: Dapr's component; it must support transactions.
        prefix: what stands before each key.
    """

    def __init__(
        self, client: DaprClient, store_name: str = "statestore", *, prefix: str = "langgraph/", serde: Any = None
    ) -> None:
        super().__init__(PrefixStore(DaprStore(client, store_name), prefix), serde=serde)


__all__ = ["DaprSaver", "DaprStore"]
