"""What a host may keep at the hub: text under keys, fenced to the host's own prefix."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from hub.catalog.provider import Json
from hub.errors import InvalidInputError, TooLargeError, UnsupportedError
from hub.upstream import Extension, KeyStore

STATE_EXTENSION: Final = "hub/state"
MAX_KEYS: Final = 1000
MAX_KEY_CHARS: Final = 1000
MAX_VALUE_CHARS: Final = 16 * 2**20


class FencedStore:
    """A part of a store, under a prefix that no key can leave."""

    def __init__(self, store: KeyStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def get(self, keys: Sequence[str]) -> dict[str, str]:
        found = await self._store.get([self._prefix + key for key in keys])
        return {key.removeprefix(self._prefix): value for key, value in found.items()}

    async def put(self, items: Mapping[str, str]) -> None:
        await self._store.put({self._prefix + key: value for key, value in items.items()})

    async def delete(self, keys: Sequence[str]) -> None:
        await self._store.delete([self._prefix + key for key in keys])


class MemoryStore:
    """Keeps everything as long as the process lives."""

    def __init__(self) -> None:
        self._items: dict[str, str] = {}

    async def get(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: self._items[key] for key in keys if key in self._items}

    async def put(self, items: Mapping[str, str]) -> None:
        self._items.update(items)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._items.pop(key, None)


def state_extension(store: KeyStore) -> Extension:
    """Answers `hub/state/get`, `hub/state/put` and `hub/state/delete` from a store."""

    async def answer(method: str, params: Json) -> Json:
        match method.removeprefix(f"{STATE_EXTENSION}/"):
            case "get":
                return {"values": await store.get(_keys(params))}
            case "put":
                await store.put(_items(params))
            case "delete":
                await store.delete(_keys(params))
            case _:
                raise UnsupportedError(f"{method[:64]} is no call of {STATE_EXTENSION}")
        return {}

    return Extension(name=STATE_EXTENSION, answer=answer)


def _keys(params: Json) -> list[str]:
    keys: object = params.get("keys")
    if not isinstance(keys, list) or len(cast("list[object]", keys)) > MAX_KEYS:
        raise InvalidInputError(f"keys: expected a list of at most {MAX_KEYS}")
    return [_key(key) for key in cast("list[object]", keys)]


def _key(key: object) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARS:
        raise InvalidInputError(f"expected a key of 1 to {MAX_KEY_CHARS} characters")
    return key


def _items(params: Json) -> dict[str, str]:
    items: object = params.get("items")
    if not isinstance(items, dict) or len(cast("Json", items)) > MAX_KEYS:
        raise InvalidInputError(f"items: expected an object of at most {MAX_KEYS} keys")
    checked: dict[str, str] = {}
    for key, value in cast("Json", items).items():
        if not isinstance(value, str):
            raise InvalidInputError(f"items: expected text under {key[:64]!r}")
        if len(value) > MAX_VALUE_CHARS:
            raise TooLargeError(f"the value of {key[:64]!r} has more than {MAX_VALUE_CHARS} characters")
        checked[_key(key)] = value
    return checked
