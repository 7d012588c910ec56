"""A LangGraph checkpointer on a three-call store.

Keys: `ns` (the namespaces of a thread), `idx` (a namespace's checkpoint ids, oldest first), `cp` (one checkpoint) and
`w` (the pending writes of one checkpoint), each under the thread's name.

Source: langgraph.checkpoint.base.BaseCheckpointSaver and its conformance suite.
"""

import asyncio
import base64
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from .storage import Store

Json = dict[str, Any]
Names = list[str]

_LOCKS: Final = 1024

if TYPE_CHECKING:
    _Saver = object
else:
    _Saver = import_module("langgraph.checkpoint.base").BaseCheckpointSaver


class StoreSaver(_Saver):
    """Keeps checkpoints wherever the store keeps its text.

    Args:
        store: where everything goes; each `put` is all or nothing.
        exclusive: nobody else writes these threads as long as this saver lives: nothing is read twice.
        serde: how values become bytes; LangGraph's own way by default.
    """

    def __init__(self, store: Store, *, exclusive: bool = False, serde: Any = None) -> None:
        cast("Any", super()).__init__(**({"serde": serde} if serde is not None else {}))
        self._base: Any = import_module("langgraph.checkpoint.base")
        self._store = store
        self._cache: dict[str, str | None] | None = {} if exclusive else None
        self._locks: OrderedDict[str, asyncio.Lock] = OrderedDict()
        self._loop = asyncio.get_running_loop()

    # reading and writing text

    async def _read(self, key: str) -> str | None:
        if self._cache is None:
            return await self._store.get(key)
        if key not in self._cache:
            self._cache[key] = await self._store.get(key)
        return self._cache[key]

    async def _write(self, items: dict[str, str]) -> None:
        await self._store.put(items)
        if self._cache is not None:
            self._cache.update(items)

    async def _drop(self, keys: Names) -> None:
        await self._store.delete(keys)
        if self._cache is not None:
            self._cache.update(dict.fromkeys(keys))

    async def _list(self, key: str) -> Names:
        return cast("Names", json.loads(await self._read(key) or "[]"))

    def _lock(self, thread: str) -> asyncio.Lock:
        lock = self._locks.setdefault(thread, asyncio.Lock())
        self._locks.move_to_end(thread)
        while len(self._locks) > _LOCKS and not next(iter(self._locks.values())).locked():
            self._locks.popitem(last=False)
        return lock

    def _encode(self, value: Any) -> Names:
        kind, data = cast("Any", self).serde.dumps_typed(value)
        return [kind, base64.b64encode(data).decode()]

    def _decode(self, value: Names) -> Any:
        return cast("Any", self).serde.loads_typed((value[0], base64.b64decode(value[1])))

    # the asynchronous interface

    async def aput(self, config: Json, checkpoint: Json, metadata: Json, new_versions: Json) -> Json:
        thread, namespace = _place(config)
        key = checkpoint["id"]
        entry = {
            "checkpoint": self._encode(checkpoint),
            "metadata": self._encode(self._base.get_checkpoint_metadata(config, metadata)),
            "parent": config["configurable"].get("checkpoint_id"),
        }
        async with self._lock(thread):
            index = [item for item in await self._list(_key("idx", thread, namespace)) if item != key]
            items = {
                _key("cp", thread, namespace, key): json.dumps(entry),
                _key("idx", thread, namespace): json.dumps([*index, key]),
            }
            namespaces = await self._list(_key("ns", thread))
            if namespace not in namespaces:
                items[_key("ns", thread)] = json.dumps([*namespaces, namespace])
            await self._write(items)
        return _config(thread, namespace, key)

    async def aput_writes(
        self, config: Json, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        thread, namespace = _place(config)
        key = _key("w", thread, namespace, config["configurable"]["checkpoint_id"])
        async with self._lock(thread):
            stored = cast("Json", json.loads(await self._read(key) or "{}"))
            for place, (channel, value) in enumerate(writes):
                index = self._base.WRITES_IDX_MAP.get(channel, place)
                slot = f"{task_id}|{index}"
                # a node's own write stands as it came first; an interrupt, a resume or an error as it came last
                if index < 0 or slot not in stored:
                    stored[slot] = [task_id, channel, self._encode(value)]
            await self._write({key: json.dumps(stored)})

    async def aget_tuple(self, config: Json) -> Any:
        thread, namespace = _place(config)
        key = self._base.get_checkpoint_id(config)
        if not key:
            index = await self._list(_key("idx", thread, namespace))
            key = index[-1] if index else None
        return await self._tuple(thread, namespace, key) if key else None

    async def _tuple(self, thread: str, namespace: str, key: str) -> Any:
        text = await self._read(_key("cp", thread, namespace, key))
        if text is None:
            return None
        entry = cast("Json", json.loads(text))
        writes = cast("Json", json.loads(await self._read(_key("w", thread, namespace, key)) or "{}"))
        return self._base.CheckpointTuple(
            _config(thread, namespace, key),
            self._decode(entry["checkpoint"]),
            self._decode(entry["metadata"]),
            _config(thread, namespace, entry["parent"]) if entry["parent"] else None,
            [(task, channel, self._decode(value)) for task, channel, value in writes.values()],
        )

    async def alist(
        self,
        config: Json | None,
        *,
        filter: Json | None = None,
        before: Json | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Any]:
        """List a thread's checkpoints, newest first; a store of three calls has no list of threads."""
        given = (config or {}).get("configurable", {})
        thread = str(given.get("thread_id", ""))
        named = [given["checkpoint_ns"]] if "checkpoint_ns" in given else await self._list(_key("ns", thread))
        only = self._base.get_checkpoint_id(config) if config else None
        limit_id = self._base.get_checkpoint_id(before) if before else None
        count = 0
        for namespace in named:
            for key in reversed(await self._list(_key("idx", thread, namespace))):
                if (limit_id and key >= limit_id) or (only and key != only):
                    continue
                found = await self._tuple(thread, namespace, key)
                if found is None or any(found.metadata.get(name) != value for name, value in (filter or {}).items()):
                    continue
                if limit is not None and count >= limit:
                    return
                count += 1
                yield found

    async def adelete_thread(self, thread_id: str) -> None:
        thread = str(thread_id)
        async with self._lock(thread):
            keys = [_key("ns", thread)]
            for namespace in await self._list(_key("ns", thread)):
                index = await self._list(_key("idx", thread, namespace))
                keys += [_key(kind, thread, namespace, key) for key in index for kind in ("cp", "w")]
                keys.append(_key("idx", thread, namespace))
            await self._drop(keys)

    # the blocking interface: nodes that are plain functions, and the graphs that they call, run on threads

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            work.close()
            raise RuntimeError("this checkpointer can't block its own event loop: use the graph's async methods")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def put(self, config: Json, checkpoint: Json, metadata: Json, new_versions: Json) -> Json:
        return cast("Json", self._wait(self.aput(config, checkpoint, metadata, new_versions)))

    def put_writes(self, config: Json, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        self._wait(self.aput_writes(config, writes, task_id, task_path))

    def get_tuple(self, config: Json) -> Any:
        return self._wait(self.aget_tuple(config))

    def list(
        self,
        config: Json | None,
        *,
        filter: Json | None = None,
        before: Json | None = None,
        limit: int | None = None,
    ) -> Iterator[Any]:
        async def gather() -> Any:
            return [item async for item in self.alist(config, filter=filter, before=before, limit=limit)]

        yield from self._wait(gather())

    def delete_thread(self, thread_id: str) -> None:
        self._wait(self.adelete_thread(thread_id))


def _key(kind: str, *parts: str) -> str:
    """Join the parts of a key; Dapr takes none that holds `||`, and an empty namespace would make one of bars."""
    return "/".join((kind, *(quote(part, safe=":-_.") for part in parts)))


def _place(config: Json) -> tuple[str, str]:
    given = config["configurable"]
    return str(given["thread_id"]), str(given.get("checkpoint_ns", ""))


def _config(thread: str, namespace: str, key: str) -> Json:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": key}}
