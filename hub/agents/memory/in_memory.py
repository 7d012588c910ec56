"""Memory in the process: gone with it."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from hub.agents.house import House
from hub.agents.memory.protocol import MemoryStore, Overgrown, Recalled
from hub.agents.memory.window import Window
from hub.agents.messages import Message


@dataclass
class _Thread:
    messages: list[Message] = field(default_factory=list[Message])
    keys: set[str] = field(default_factory=set[str])
    covered: int = 0
    summary: str | None = None


class InMemory:
    """Keeps threads in this process, for tests and trials: a restart forgets them, other processes do not see them.

    Args:
        window: the latest messages that a prompt holds.
        summarise: whether older ones become a summary, made by the agent's model.
    """

    def __init__(self, *, window: int = 40, summarise: bool = True) -> None:
        self._window = Window(messages=window, summarise=summarise)
        self._threads: dict[str, _Thread] = {}

    @contextlib.asynccontextmanager
    async def open_store(self, house: House) -> AsyncGenerator[MemoryStore]:
        yield self

    async def recall(self, thread: str, query: str) -> Recalled:
        known = self._threads.get(thread, _Thread())
        return Recalled(messages=self._window.visible(known.messages[known.covered :]), summary=known.summary)

    async def append(self, thread: str, messages: Sequence[Message], *, key: str) -> Overgrown | None:
        known = self._threads.setdefault(thread, _Thread())
        if key not in known.keys:
            known.keys.add(key)
            known.messages.extend(messages)
        return self._window.overgrown(known.messages[known.covered :], covered=known.covered, summary=known.summary)

    async def save_summary(self, thread: str, upto: int, summary: str) -> None:
        known = self._threads[thread]
        if upto > known.covered:
            known.covered, known.summary = upto, summary

    async def forget(self, thread: str) -> None:
        self._threads.pop(thread, None)
