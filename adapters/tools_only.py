"""What a provider of tools, and of nothing else, has in common with the next one."""

from collections.abc import Callable
from datetime import UTC, datetime

from hub.catalog.provider import Caller, Change, Json, Listener, Outcome, Phase, TaskVerb
from hub.errors import UnknownNameError, UnsupportedError


class ToolsOnly:
    """The part of a `Provider` that lists and calls no tools: how it is, who listens, what it has not got."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._phase: Phase = "starting"
        self._since = datetime.now(UTC)
        self._problem: str | None = None
        self._listeners: dict[object, Listener] = {}

    @property
    def name(self) -> str:
        return self._name

    def watch(self, listener: Listener) -> Callable[[], None]:
        token = object()
        self._listeners[token] = listener

        def unwatch() -> None:
            self._listeners.pop(token, None)

        return unwatch

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome:
        raise UnknownNameError(f"{self._name} has no prompts")

    async def read(self, params: Json, caller: Caller) -> Outcome:
        raise UnknownNameError(f"{self._name} has no resources")

    async def complete(self, params: Json, caller: Caller) -> Json:
        raise UnsupportedError(f"{self._name} completes nothing")

    async def subscribe(self, uri: str) -> None:
        raise UnsupportedError(f"{self._name} has no resources")

    async def unsubscribe(self, uri: str) -> None:
        raise UnsupportedError(f"{self._name} has no resources")

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        raise UnknownNameError(f"{self._name} has no tasks")

    def _enter(self, phase: Phase, problem: str | None) -> None:
        if phase != self._phase:
            self._since = datetime.now(UTC)
        self._phase = phase
        self._problem = problem
        self._tell(Change(what="state"))

    def _tell(self, change: Change) -> None:
        for listener in tuple(self._listeners.values()):
            listener(change)
