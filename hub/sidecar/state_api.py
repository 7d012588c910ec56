"""The state RPCs of Dapr's runtime service."""

import sqlite3
import time
from datetime import UTC, datetime

from .errors import InvalidRequestError
from .proto import Empty, common_pb, state_pb
from .state import StoredValue, check_key, delete_value, read_value, save_value
from .store import Store, Transaction


class StateApi:
    """Get, save, delete, in bulk and in transactions."""

    def __init__(self, store: Store, names: tuple[str, ...]) -> None:
        self._store = store
        self._names = names

    async def get(self, request: state_pb.GetStateRequest, _context: object) -> state_pb.GetStateResponse:
        self._check(request.store_name)
        check_key(request.key)
        now = time.time()
        found = self._store.read(lambda db: read_value(db, request.store_name, request.key, now))
        if found is None:
            return state_pb.GetStateResponse()
        return state_pb.GetStateResponse(data=found.value, etag=found.etag, metadata=_metadata(found))

    async def get_bulk(self, request: state_pb.GetBulkStateRequest, _context: object) -> state_pb.GetBulkStateResponse:
        self._check(request.store_name)
        now = time.time()
        for key in request.keys:
            check_key(key)

        def work(db: sqlite3.Connection) -> list[StoredValue | None]:
            return [read_value(db, request.store_name, key, now) for key in request.keys]

        found = self._store.read(work)
        items = [
            state_pb.BulkStateItem(key=key)
            if value is None
            else state_pb.BulkStateItem(key=key, data=value.value, etag=value.etag, metadata=_metadata(value))
            for key, value in zip(request.keys, found, strict=True)
        ]
        return state_pb.GetBulkStateResponse(items=items)

    async def save(self, request: state_pb.SaveStateRequest, _context: object) -> Empty:
        self._check(request.store_name)

        def work(tx: Transaction) -> None:
            for item in request.states:
                save_value(tx, request.store_name, item)

        await self._store.change(work)
        return Empty()

    async def delete(self, request: state_pb.DeleteStateRequest, _context: object) -> Empty:
        self._check(request.store_name)
        item = common_pb.StateItem(
            key=request.key, etag=request.etag if request.HasField("etag") else None, options=request.options
        )
        await self._store.change(lambda tx: delete_value(tx, request.store_name, item))
        return Empty()

    async def delete_bulk(self, request: state_pb.DeleteBulkStateRequest, _context: object) -> Empty:
        self._check(request.store_name)

        def work(tx: Transaction) -> None:
            for item in request.states:
                delete_value(tx, request.store_name, item)

        await self._store.change(work)
        return Empty()

    async def transact(self, request: state_pb.ExecuteStateTransactionRequest, _context: object) -> Empty:
        self._check(request.storeName)

        def work(tx: Transaction) -> None:
            for operation in request.operations:
                match operation.operationType:
                    case "upsert":
                        save_value(tx, request.storeName, operation.request)
                    case "delete":
                        delete_value(tx, request.storeName, operation.request)
                    case other:
                        raise InvalidRequestError(f"an operation is 'upsert' or 'delete', not {other!r}")

        await self._store.change(work)
        return Empty()

    def _check(self, name: str) -> None:
        if name not in self._names:
            raise InvalidRequestError(
                f"state store {name} is not found; this sidecar has {', '.join(self._names) or 'none'}"
            )


def _metadata(found: StoredValue) -> dict[str, str]:
    if found.expires_at is None:
        return {}
    return {"ttlExpireTime": datetime.fromtimestamp(found.expires_at, UTC).isoformat().replace("+00:00", "Z")}
