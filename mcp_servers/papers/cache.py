"""Answers that are kept for a while, so that nobody is asked twice for the same."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

ValueT = TypeVar("ValueT")


class AnswerCache(Generic[ValueT]):
    """The answers used last, each for `ttl_s`; of several who want the same at once, one asks and the others wait."""

    def __init__(self, *, max_entries: int, ttl_s: float) -> None:
        self._max_entries = max_entries
        self._ttl_s = ttl_s
        self._entries: OrderedDict[Hashable, tuple[float, ValueT]] = OrderedDict()
        self._locks: dict[Hashable, anyio.Lock] = {}

    def get(self, key: Hashable) -> ValueT | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires_at, value = entry
        if expires_at <= anyio.current_time():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: Hashable, value: ValueT) -> None:
        self._entries[key] = (anyio.current_time() + self._ttl_s, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    async def get_or_fetch(self, key: Hashable, fetch: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """The kept answer, or a new one; what `fetch` raises is not kept."""
        if (value := self.get(key)) is not None:
            return value
        lock = self._locks.setdefault(key, anyio.Lock())
        try:
            async with lock:
                if (value := self.get(key)) is None:
                    value = await fetch()
                    self.put(key, value)
                return value
        finally:
            if not lock.statistics().locked and not lock.statistics().tasks_waiting:
                self._locks.pop(key, None)
