"""Which questions wait: ids in a fixed number of small documents, since Dapr's state API lists nothing."""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

from hub.workflows.state import Save, StateStore, Stored

SHARDS = 64


def shard_key(question_id: str) -> str:
    """The document that holds this id."""
    return f"hub-questions-{hashlib.sha256(question_id.encode()).digest()[0] % SHARDS}"


async def waiting_ids(store: StateStore) -> list[str]:
    """Ids of all questions that wait for an answer, or whose answer waits for its run."""
    shards = await store.get_many([f"hub-questions-{number}" for number in range(SHARDS)])
    return [each for shard in shards.values() for each in _ids(shard)]


def with_id(shard: Stored | None, question_id: str) -> Save | None:
    """The write that puts the id in, or None: it is in."""
    ids = _ids(shard)
    return None if question_id in ids else _save(shard, question_id, [*ids, question_id])


def without_id(shard: Stored | None, question_id: str) -> Save | None:
    """The write that takes the id out, or None: it is not in."""
    ids = _ids(shard)
    return _save(shard, question_id, [each for each in ids if each != question_id]) if question_id in ids else None


def _save(shard: Stored | None, question_id: str, ids: Sequence[str]) -> Save:
    key = shard_key(question_id)
    if shard is None:
        return Save(key=key, value={"ids": list(ids)}, is_new=True)
    return Save(key=key, value={"ids": list(ids)}, etag=shard.etag)


def _ids(shard: Stored | None) -> list[str]:
    value: Any = {} if shard is None else shard.value
    return cast("list[str]", value.get("ids", []))
