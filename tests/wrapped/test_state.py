"""What hosted programs keep at the hub: fenced, checked, on the disk."""

from pathlib import Path

import pytest

from adapters.state import MAX_KEYS, FencedStore, MemoryStore, state_extension
from hub.app.state_file import open_state_file
from hub.catalog.provider import Json
from hub.errors import InvalidInputError, UnsupportedError


async def test_a_program_sees_its_own_keys_alone() -> None:
    whole = MemoryStore()
    one, other = (state_extension(FencedStore(whole, f"hosts/{name}/")) for name in ("one", "other"))
    await one.answer("hub/state/put", {"items": {"a": "1", "../other/a": "2"}})
    await other.answer("hub/state/put", {"items": {"a": "3"}})
    assert await one.answer("hub/state/get", {"keys": ["a", "b"]}) == {"values": {"a": "1"}}
    assert await other.answer("hub/state/get", {"keys": ["a"]}) == {"values": {"a": "3"}}
    await one.answer("hub/state/delete", {"keys": ["a"]})
    assert await whole.get(["hosts/one/a", "hosts/other/a"]) == {"hosts/other/a": "3"}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("get", {}),
        ("get", {"keys": "a"}),
        ("get", {"keys": [""]}),
        ("get", {"keys": ["a"] * (MAX_KEYS + 1)}),
        ("delete", {"keys": [1]}),
        ("put", {"items": {"a": 1}}),
        ("put", {"items": ["a"]}),
    ],
)
async def test_what_makes_no_sense_is_refused(method: str, params: Json) -> None:
    with pytest.raises(InvalidInputError):
        await state_extension(MemoryStore()).answer(f"hub/state/{method}", params)


async def test_an_unknown_call_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        await state_extension(MemoryStore()).answer("hub/state/list", {})


async def test_the_file_keeps_everything_over_a_restart_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite3"
    items = {f"k{number}": "ü" * number for number in range(1, 1200)}
    async with open_state_file(path) as store:
        assert not path.exists()
        await store.put(items)
        await store.put({"k1": "new"})
        await store.delete(["k2"])
    del items["k2"]
    async with open_state_file(path) as store:
        assert await store.get([f"k{number}" for number in range(1200)]) == {**items, "k1": "new"}
    assert path.stat().st_mode & 0o777 == 0o600
