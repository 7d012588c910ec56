"""A caller that writes down what it is told and answers what it is asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

from hub.catalog.provider import Era, Json
from hub.errors import UnsupportedError

EVERYTHING: Json = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}, "context": {}},
    "roots": {},
}


@dataclass(kw_only=True)
class Person:
    """A client of either era."""

    identity: str = "somebody"
    era: Era = "legacy"
    live: bool = True
    capabilities: Json = field(default_factory=lambda: dict(EVERYTHING))
    client_info: Json | None = field(default_factory=lambda: {"name": "test-client", "version": "7"})
    wants_progress: bool = True
    log_level: str | None = "info"
    answer: Callable[[str, Json], Json] | None = None
    reports: list[Json] = field(default_factory=list[Json])
    logs: list[Json] = field(default_factory=list[Json])
    questions: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])
    asked: anyio.Event = field(default_factory=anyio.Event)
    told: anyio.Event = field(default_factory=anyio.Event)
    may_answer: anyio.Event | None = None

    async def progress(self, params: Json) -> None:
        self.reports.append({key: params[key] for key in params if key != "progressToken"})
        self.told.set()

    async def log(self, params: Json) -> None:
        self.logs.append(params)
        self.told.set()

    async def ask(self, method: str, params: Json) -> Json:
        self.questions.append((method, params))
        self.asked.set()
        if self.answer is None:
            raise UnsupportedError("nobody answers here")
        if self.may_answer is not None:
            await self.may_answer.wait()
        return self.answer(method, params)


def modern(**changes: Any) -> Person:
    """A client of the stateless era: it is asked by the answer, not in the middle of a call."""
    return Person(era="modern", live=False, **changes)


def name_is(name: str) -> Callable[[str, Json], Json]:
    """Answers a form with a name."""

    def answer(method: str, params: Json) -> Json:
        return {"action": "accept", "content": {"name": name}}

    return answer
