"""A provider that lives in the test's own process: the second implementation of the boundary, beside `hub.upstream`."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio

from hub.catalog.provider import (
    Answer,
    Caller,
    Change,
    Json,
    Kind,
    Listener,
    Outcome,
    ProviderState,
    RawReply,
    TaskVerb,
)
from hub.errors import RemoteError, UnknownNameError

ToolBody = Callable[[Json, Caller], Awaitable[Outcome]]


def text(words: str) -> Answer:
    """The plainest answer of a tool."""
    return Answer(body={"content": [{"type": "text", "text": words}]})


@dataclass(kw_only=True)
class MemoryProvider:
    """Lists what it is given and runs tools that are plain functions."""

    name: str
    definitions: dict[Kind, list[Json]] = field(default_factory=dict[Kind, list[Json]])
    bodies: dict[str, ToolBody] = field(default_factory=dict[str, ToolBody])
    contents: dict[str, str] = field(default_factory=dict[str, str])
    tasks: dict[str, Json] = field(default_factory=dict[str, Json])
    seen: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])
    subscribed: list[str] = field(default_factory=list[str])
    unsubscribed: anyio.Event = field(default_factory=anyio.Event)
    """Set when the last subscription ended."""
    state: ProviderState = field(
        default_factory=lambda: ProviderState(phase="ready", since=datetime.now(UTC), capabilities={"resources": {}})
    )
    _listeners: dict[object, Listener] = field(default_factory=dict[object, Listener])

    def add_tool(self, tool_name: str, body: ToolBody | None = None, schema: Json | None = None) -> None:
        self.definitions.setdefault("tools", []).append(
            {"name": tool_name, "inputSchema": {"type": "object"} if schema is None else schema}
        )
        if body is not None:
            self.bodies[tool_name] = body

    def tell(self, change: Change) -> None:
        for listener in list(self._listeners.values()):
            listener(change)

    def become(self, phase: str) -> None:
        self.state = replace(self.state, phase=phase)  # pyright: ignore[reportArgumentType]  # given as plain text
        self.tell(Change(what="state"))

    async def list(self, kind: Kind) -> Sequence[Json]:
        return list(self.definitions.get(kind, []))

    async def call(self, params: Json, caller: Caller) -> Outcome:
        self.seen.append(("tools/call", params))
        body = self.bodies.get(str(params["name"]))
        return text(f"{self.name}: {params['name']}") if body is None else await body(params, caller)

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome:
        self.seen.append(("prompts/get", params))
        return Answer(body={"messages": [{"role": "user", "content": {"type": "text", "text": params["name"]}}]})

    async def read(self, params: Json, caller: Caller) -> Outcome:
        self.seen.append(("resources/read", params))
        uri = str(params["uri"])
        if uri not in self.contents:
            raise RemoteError(-32002, "Resource not found", {"uri": uri})
        return Answer(body={"contents": [{"uri": uri, "text": self.contents[uri]}]})

    async def complete(self, params: Json, caller: Caller) -> Json:
        self.seen.append(("completion/complete", params))
        return {"completion": {"values": [self.name]}}

    async def subscribe(self, uri: str) -> None:
        self.subscribed.append(uri)

    async def unsubscribe(self, uri: str) -> None:
        self.subscribed.remove(uri)
        if not self.subscribed:
            self.unsubscribed.set()

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        self.seen.append((f"tasks/{verb}", params))
        if params["taskId"] not in self.tasks:
            raise UnknownNameError("no such task")
        return self.tasks[params["taskId"]]

    def watch(self, listener: Listener) -> Callable[[], None]:
        token = object()
        self._listeners[token] = listener
        return lambda: self._listeners.pop(token, None) and None


class RawMemoryProvider(MemoryProvider):
    """One that answers raw, as a modern HTTP server behind the hub does."""

    async def relay(self, request: Json, caller: Caller) -> RawReply:
        self.seen.append(("relay", request))
        return RawReply(status=200, content_type=b"application/json", body=self._answer(str(request["id"])))

    def can_relay(self, request: Json) -> bool:
        return True

    async def _answer(self, request_id: str) -> AsyncGenerator[bytes, None]:
        yield b'{"jsonrpc":"2.0","id":"'
        yield request_id.encode()
        yield b'","result":{"resultType":"complete","content":[{"type":"text","text":"raw"}]}}'


@dataclass(kw_only=True)
class QuietCaller:
    """A caller that wants nothing but the answer."""

    identity: str = "local"
    era: str = "modern"
    live: bool = False
    client_info: Json | None = None
    capabilities: Json = field(default_factory=dict[str, object])
    wants_progress: bool = False
    log_level: str | None = None

    async def progress(self, params: Json) -> None:
        raise AssertionError("progress was not wanted")

    async def log(self, params: Json) -> None:
        raise AssertionError("log messages were not wanted")

    async def ask(self, method: str, params: Json) -> Json:
        raise AssertionError("this caller can't be asked")
