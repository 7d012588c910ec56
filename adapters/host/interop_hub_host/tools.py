"""The neutral shape of a tool: what an adapter makes of a crew, a flow, a graph or a function."""

import contextlib
import hashlib
import re
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from .storage import Store

Json = dict[str, Any]

MAX_NAME_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person is asked; answers are bound to the key, which is a digest of run, place and question."""

    message: str
    schema: Json
    """JSON Schema of the answer, as the framework wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The work has ended."""

    structured: Json
    """Fits the tool's output schema."""
    text: str
    meta: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The work has ended for now; its state is stored, and a call with the answers goes on from there."""

    questions: Mapping[str, Question]


Outcome = Completed | Paused


class Ask(Protocol):
    def __call__(self, message: str, schema: Json, *, place: str) -> Awaitable[Any]:
        """Ask a person and wait; None if the person declined.

        Args:
            place: where in the run the question stands: a repeated run that comes there again finds the answer.
        """
        ...


Progress = Callable[[float, float | None, str], None]


class Draining:
    """Whether the host is about to stop; lives on the event loop."""

    def __init__(self) -> None:
        self._set = False
        self._callbacks: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for callback in tuple(self._callbacks):
            callback()

    @contextlib.contextmanager
    def told(self, callback: Callable[[], None]) -> Generator[None]:
        """Have a callback called when the host begins to stop, also if it did already."""
        if self._set:
            callback()
        self._callbacks.append(callback)
        try:
            yield
        finally:
            self._callbacks.remove(callback)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What an adapter may use while it runs one call."""

    run_id: str
    thread: str | None
    """The conversation; calls on one thread follow each other."""
    context: Json | None
    """Static context for the run, beside its arguments."""
    keyed: bool
    """Whether the call may be repeated under its run id, so that what it finished must be stored as it goes."""
    store: Store
    """Of this run alone."""
    tool_store: Store
    """Of all runs of this tool."""
    answers: Mapping[str, Any]
    """Stored answers by question key; None stands for a person who declined."""
    progress: Progress
    """`(done, total, message)`; may be called on any thread."""
    ask: Ask
    stopped: threading.Event
    """Set when the call was cancelled: no model call may start any more, on whatever thread."""
    draining: Draining
    """Set when the host is about to stop: end at the next safe point."""


class Call(Protocol):
    async def __call__(self, arguments: Json, ctx: RunContext, /) -> Outcome: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTool:
    """One tool, ready to be called."""

    name: str
    kind: str
    description: str
    input_schema: Json
    output_schema: Json
    call: Call
    context_schema: Json | None = None

    def describe(self) -> Json:
        """Give the tool in wire form.

        Source: MCP 2026-07-28, server/tools, Tool.
        """
        meta: Json = {"hub/kind": self.kind}
        if self.context_schema is not None:
            meta["hub/contextSchema"] = self.context_schema
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input_schema,
            "outputSchema": self.output_schema,
            "_meta": meta,
        }


def tool_name(text: str, *, keep_case: bool = False) -> str:
    """Make a tool's name of a class's or a title: at most 64 of `[A-Za-z0-9_-]`, in snake case unless kept."""
    if not keep_case:
        text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "agent"
    if len(name) <= MAX_NAME_LENGTH:
        return name
    return f"{name[:55]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
