"""The boundary of memory: a value that says what is wanted, and the store that it opens into."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hub.agents.house import House
from hub.agents.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What comes back into the next prompt."""

    messages: Sequence[Message] = ()
    """The latest messages, the oldest first; they begin with something that the user said."""
    summary: str | None = None
    """What was before them, in short."""
    passages: Sequence[str] = ()
    """Earlier passages that are near to what is asked now, the nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overgrown:
    """Messages that should become part of the summary."""

    upto: int
    """How many messages the new summary covers, from the beginning of the thread."""
    summary: str | None
    """The summary so far."""
    messages: Sequence[Message]


class MemoryStore(Protocol):
    """An open memory. Its methods are called in steps: at least once, so writing the same twice changes nothing."""

    async def recall(self, thread: str, query: str) -> Recalled:
        """What is known of a thread, for a prompt that asks `query`."""
        ...

    async def append(self, thread: str, messages: Sequence[Message], *, key: str) -> Overgrown | None:
        """Add messages to a thread.

        Args:
            key: names this addition; a second one under the same key adds nothing.

        Returns:
            What should be summarised now, if the thread has grown so far.
        """
        ...

    async def save_summary(self, thread: str, upto: int, summary: str) -> None:
        """Let this summary stand for the first `upto` messages."""
        ...

    async def forget(self, thread: str) -> None:
        """Delete all that is known of a thread."""
        ...


@runtime_checkable
class Memory(Protocol):
    """Which memory an agent wants; making one does no I/O."""

    def open_store(self, house: House) -> AbstractAsyncContextManager[MemoryStore]: ...


class Embeddings(Protocol):
    """Makes vectors of texts."""

    @property
    def dimensions(self) -> int | None:
        """How long a vector is; None: known after the first."""
        ...

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One vector a text.

        Args:
            query: the texts are searched with, not searched for; some models make a difference.
        """
        ...


def as_overgrown(value: Mapping[str, Any]) -> Overgrown:
    """An `Overgrown` that crossed a step's boundary as JSON."""
    return Overgrown(upto=value["upto"], summary=value["summary"], messages=value["messages"])
