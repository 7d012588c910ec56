"""Memory in a state component of Dapr: whatever store that is."""

import contextlib
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

from dapr.proto.common.v1 import common_pb2 as common_pb
from dapr.proto.runtime.v1 import state_pb2 as state_pb
from google.protobuf.empty_pb2 import Empty

from hub.agents.house import House
from hub.agents.memory.protocol import MemoryStore, Overgrown, Recalled
from hub.agents.memory.window import Window
from hub.agents.messages import Message
from hub.errors import BusyError
from hub.workflows import DaprConnection
from hub.workflows.address import RUNTIME_SERVICE
from hub.workflows.errors import RunStateError

_TRIES = 20
_KEYS_KEPT = 200


class DaprState:
    """Keeps threads in Dapr's state store, one document for the head and one for each block of messages.

    Args:
        store: name of the component; the host's own unless given.
        window: the latest messages that a prompt holds.
        summarise: whether older ones become a summary, made by the agent's model.
    """

    def __init__(self, *, store: str | None = None, window: int = 40, summarise: bool = True) -> None:
        self._store = store
        self._window = Window(messages=window, summarise=summarise)

    @property
    def component(self) -> str | None:
        """Name of the state component; None: the host's own."""
        return self._store

    @contextlib.asynccontextmanager
    async def open_store(self, house: House) -> AsyncGenerator[MemoryStore]:
        yield _DaprStateStore(house.dapr, self._store or house.state_store, self._window)


class _DaprStateStore:
    """The head of a thread holds how it is cut into blocks; it is written last, and only over what was read."""

    def __init__(self, dapr: DaprConnection, store: str, window: Window) -> None:
        self._store = store
        self._window = window
        self._get = dapr.method(RUNTIME_SERVICE, "GetState", state_pb.GetStateResponse)
        self._bulk = dapr.method(RUNTIME_SERVICE, "GetBulkState", state_pb.GetBulkStateResponse)
        self._save = dapr.method(RUNTIME_SERVICE, "SaveState", Empty)
        self._delete = dapr.method(RUNTIME_SERVICE, "DeleteBulkState", Empty)

    async def recall(self, thread: str, query: str) -> Recalled:
        head, _ = await self._head(thread)
        return Recalled(messages=self._window.visible(await self._uncovered(thread, head)), summary=head.get("summary"))

    async def append(self, thread: str, messages: Sequence[Message], *, key: str) -> Overgrown | None:
        for _ in range(_TRIES):
            head, etag = await self._head(thread)
            if key not in head["keys"]:
                block = hashlib.sha256(key.encode()).hexdigest()[:32]
                await self._write(self._key(thread, block), list(messages))
                head["blocks"].append([block, len(messages)])
                head["keys"] = [*head["keys"], key][-_KEYS_KEPT:]
                if not await self._write_head(thread, head, etag):
                    continue
            return self._window.overgrown(
                await self._uncovered(thread, head), covered=head["covered"], summary=head.get("summary")
            )
        raise BusyError(f"memory: thread {thread} is written by too many at once")

    async def save_summary(self, thread: str, upto: int, summary: str) -> None:
        for _ in range(_TRIES):
            head, etag = await self._head(thread)
            if upto <= head["covered"]:
                return
            head["covered"], head["summary"] = upto, summary
            if await self._write_head(thread, head, etag):
                return
        raise BusyError(f"memory: thread {thread} is written by too many at once")

    async def forget(self, thread: str) -> None:
        head, _ = await self._head(thread)
        keys = [self._key(thread, block) for block, _ in head["blocks"]]
        items = [common_pb.StateItem(key=key) for key in [self._key(thread, "head"), *keys]]
        await self._delete(state_pb.DeleteBulkStateRequest(store_name=self._store, states=items))

    async def _uncovered(self, thread: str, head: dict[str, Any]) -> list[Message]:
        """The messages that no summary covers; blocks that it covers whole are not read."""
        before, wanted, skipped = 0, list[str](), 0
        for block, count in cast("list[tuple[str, int]]", head["blocks"]):
            if before + count > head["covered"]:
                wanted.append(self._key(thread, block))
            else:
                skipped += count
            before += count
        if not wanted:
            return []
        answer = await self._bulk(state_pb.GetBulkStateRequest(store_name=self._store, keys=wanted, parallelism=10))
        found = {item.key: item.data for item in answer.items}
        messages = [message for key in wanted for message in json.loads(found[key] or b"[]")]
        return messages[head["covered"] - skipped :]

    async def _head(self, thread: str) -> tuple[dict[str, Any], str]:
        answer = await self._get(state_pb.GetStateRequest(store_name=self._store, key=self._key(thread, "head")))
        empty: dict[str, Any] = {"blocks": [], "keys": [], "covered": 0, "summary": None}
        return (json.loads(answer.data) if answer.data else empty), answer.etag

    async def _write_head(self, thread: str, head: dict[str, Any], etag: str) -> bool:
        """Write over what was read; False: somebody else was faster."""
        try:
            await self._write(self._key(thread, "head"), head, etag=etag)
        except RunStateError:
            return False
        return True

    async def _write(self, key: str, value: object, *, etag: str | None = None) -> None:
        item = common_pb.StateItem(key=key, value=json.dumps(value, separators=(",", ":")).encode())
        if etag is not None:
            item.options.concurrency = common_pb.StateOptions.CONCURRENCY_FIRST_WRITE
            if etag:
                item.etag.value = etag
        await self._save(state_pb.SaveStateRequest(store_name=self._store, states=[item]))

    def _key(self, thread: str, part: str) -> str:
        digest = hashlib.sha256(thread.encode()).hexdigest()[:40]
        return f"hub.memory.{digest}.{part}"
