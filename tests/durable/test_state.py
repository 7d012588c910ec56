"""Dapr's state through `StateStore`: values, conditions, transactions; the same on each sidecar."""

import uuid

import pytest

from hub.workflows import DaprConnection
from hub.workflows.errors import DaprRefusedError, RunStateError
from hub.workflows.state import Delete, Save, StateStore

NEVER_AN_ETAG = "77777777-7777-4777-8777-777777777777"


@pytest.fixture
def store(connection: DaprConnection) -> StateStore:
    return StateStore(connection)


@pytest.fixture
def key() -> str:
    return f"k-{uuid.uuid4().hex}"


async def value_of(store: StateStore, key: str) -> object:
    stored = await store.get(key)
    return None if stored is None else stored.value


async def test_a_value_comes_back_as_it_was_saved(store: StateStore, key: str) -> None:
    values: list[object] = [{"a": [1, None, "é"]}, "text", 0, False, []]
    for value in values:
        await store.save(Save(key=key, value=value))
        assert await value_of(store, key) == value
    await store.delete(Delete(key=key))
    assert await store.get(key) is None


async def test_many_values_come_at_once_and_missing_ones_are_left_out(store: StateStore, key: str) -> None:
    await store.transact([Save(key=f"{key}-{n}", value=n) for n in range(3)])
    found = await store.get_many([f"{key}-{n}" for n in range(5)])
    assert {name: each.value for name, each in found.items()} == {f"{key}-{n}": n for n in range(3)}


async def test_a_write_on_a_condition_that_does_not_hold_changes_nothing(store: StateStore, key: str) -> None:
    await store.save(Save(key=key, value=1, is_new=True))
    for write in (Save(key=key, value=2, is_new=True), Save(key=key, value=2, etag=NEVER_AN_ETAG)):
        with pytest.raises(RunStateError):
            await store.save(write)
        with pytest.raises(RunStateError):
            await store.transact([Save(key=f"{key}-other", value=2), write])
    with pytest.raises(RunStateError):
        await store.delete(Delete(key=key, etag=NEVER_AN_ETAG))
    assert await value_of(store, key) == 1
    assert await store.get(f"{key}-other") is None


async def test_a_write_on_a_condition_that_holds_changes_the_etag(store: StateStore, key: str) -> None:
    await store.save(Save(key=key, value=1))
    before = await store.get(key)
    assert before is not None
    await store.transact([Save(key=key, value=2, etag=before.etag)])
    after = await store.get(key)
    assert after is not None
    assert (after.value, after.etag == before.etag) == (2, False)
    await store.delete(Delete(key=key, etag=after.etag))
    assert await store.get(key) is None


async def test_a_component_that_is_not_there_is_named(connection: DaprConnection) -> None:
    with pytest.raises(DaprRefusedError, match="nowhere"):
        await StateStore(connection, "nowhere").get("any")
