"""Dapr's state API: JSON under keys, with ETags and transactions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dapr.proto.common.v1 import common_pb2 as common_pb
from dapr.proto.runtime.v1 import state_pb2 as state_pb
from google.protobuf.empty_pb2 import Empty

from hub.workflows.address import RUNTIME_SERVICE, DaprConnection
from hub.workflows.errors import DaprFailedError, RunStateError

_BULK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A value and the ETag that it is there under."""

    value: Any
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """One write.

    With an `etag` it counts only if nobody has written since; with `is_new` only if the key is free.
    """

    key: str
    value: Any
    etag: str | None = None
    is_new: bool = False
    ttl_s: int | None = None
    """Seconds after which the store forgets it; None keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """One deletion; with an `etag` it counts only if nobody has written since."""

    key: str
    etag: str | None = None


class StateStore:
    """One state component of Dapr.

    Every method may raise `DaprDownError` (retryable) or `DaprRefusedError` (the component is missing, say).
    """

    def __init__(self, connection: DaprConnection, name: str = "statestore") -> None:
        self.name = name
        self._get = connection.method(RUNTIME_SERVICE, "GetState", state_pb.GetStateResponse)
        self._get_bulk = connection.method(RUNTIME_SERVICE, "GetBulkState", state_pb.GetBulkStateResponse)
        self._save = connection.method(RUNTIME_SERVICE, "SaveState", Empty)
        self._delete = connection.method(RUNTIME_SERVICE, "DeleteState", Empty)
        self._transact = connection.method(RUNTIME_SERVICE, "ExecuteStateTransaction", Empty)

    async def get(self, key: str) -> Stored | None:
        """The value under this key, or None."""
        answer = await self._get(state_pb.GetStateRequest(store_name=self.name, key=key))
        return Stored(value=json.loads(answer.data), etag=answer.etag) if answer.data else None

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, Stored]:
        """The values under those of the keys that are there."""
        found: dict[str, Stored] = {}
        for start in range(0, len(keys), _BULK):
            request = state_pb.GetBulkStateRequest(store_name=self.name, keys=keys[start : start + _BULK])
            request.parallelism = 16
            for item in (await self._get_bulk(request)).items:
                if item.data:
                    found[item.key] = Stored(value=json.loads(item.data), etag=item.etag)
        return found

    async def save(self, save: Save) -> None:
        """Write one value.

        Raises:
            RunStateError: its condition does not hold; somebody else was first.
        """
        await self._save(state_pb.SaveStateRequest(store_name=self.name, states=[_to_item(save)]))

    async def delete(self, delete: Delete) -> None:
        """Delete one value; one that is not there is no error.

        Raises:
            RunStateError: its condition does not hold; somebody else was first.
        """
        request = state_pb.DeleteStateRequest(store_name=self.name, key=delete.key)
        if delete.etag is not None:
            request.etag.value = delete.etag
            request.options.concurrency = common_pb.StateOptions.CONCURRENCY_FIRST_WRITE
        await self._delete(request)

    async def transact(self, operations: Sequence[Save | Delete]) -> None:
        """Do all of it or nothing.

        Raises:
            RunStateError: a condition does not hold; somebody else was first.
        """
        request = state_pb.ExecuteStateTransactionRequest(
            storeName=self.name,
            operations=[
                state_pb.TransactionalStateOperation(
                    operationType="upsert" if isinstance(each, Save) else "delete", request=_to_item(each)
                )
                for each in operations
            ],
        )
        try:
            await self._transact(request)
        except DaprFailedError as error:
            # Dapr's own sidecar has no other word than `internal` for a condition that does not hold.
            if any(each.etag is not None or (isinstance(each, Save) and each.is_new) for each in operations):
                raise RunStateError(str(error)) from error
            raise


def _to_item(operation: Save | Delete) -> common_pb.StateItem:
    item = common_pb.StateItem(key=operation.key)
    if operation.etag is not None:
        item.etag.value = operation.etag
        item.options.concurrency = common_pb.StateOptions.CONCURRENCY_FIRST_WRITE
    if isinstance(operation, Save):
        item.value = json.dumps(operation.value, separators=(",", ":")).encode()
        if operation.is_new:
            item.options.concurrency = common_pb.StateOptions.CONCURRENCY_FIRST_WRITE
        if operation.ttl_s is not None:
            item.metadata["ttlInSeconds"] = str(operation.ttl_s)
    return item
