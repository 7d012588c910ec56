"""A `KeyStore` in Dapr's state store, over a connection that the process has already."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from dapr.proto.common.v1 import common_pb2 as common_pb
from dapr.proto.runtime.v1 import state_pb2 as state_pb
from google.protobuf.empty_pb2 import Empty

_SERVICE = "dapr.proto.runtime.v1.Dapr"


class Connection(Protocol):
    """What makes Dapr's methods callable."""

    def method(self, service: str, name: str, reply: type[Any], /) -> Callable[[Any], Awaitable[Any]]:
        """One unary method of a service."""
        ...


class DaprKeys:
    """Text under keys; each write is one transaction.

    Source: Dapr v1.18, State management API.
    """

    def __init__(self, connection: Connection, store_name: str, prefix: str = "interop-hub/") -> None:
        self._store_name = store_name
        self._prefix = prefix
        self._get = connection.method(_SERVICE, "GetBulkState", state_pb.GetBulkStateResponse)
        self._transact = connection.method(_SERVICE, "ExecuteStateTransaction", Empty)

    async def get(self, keys: Sequence[str]) -> dict[str, str]:
        request = state_pb.GetBulkStateRequest(
            store_name=self._store_name, keys=[self._prefix + key for key in keys], parallelism=8
        )
        found = await self._get(request)
        return {item.key.removeprefix(self._prefix): item.data.decode() for item in found.items if item.data}

    async def put(self, items: Mapping[str, str]) -> None:
        await self._commit(
            [
                state_pb.TransactionalStateOperation(
                    operationType="upsert",
                    request=common_pb.StateItem(key=self._prefix + key, value=value.encode()),
                )
                for key, value in items.items()
            ]
        )

    async def delete(self, keys: Sequence[str]) -> None:
        await self._commit(
            [
                state_pb.TransactionalStateOperation(
                    operationType="delete", request=common_pb.StateItem(key=self._prefix + key)
                )
                for key in keys
            ]
        )

    async def _commit(self, operations: list[state_pb.TransactionalStateOperation]) -> None:
        if operations:
            await self._transact(
                state_pb.ExecuteStateTransactionRequest(storeName=self._store_name, operations=operations)
            )
