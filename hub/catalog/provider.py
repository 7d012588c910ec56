"""The boundaries that hold the house together: who can be called, who calls, and how a call ends."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

Json = dict[str, Any]
"""A JSON object that only passes through."""

Era = Literal["legacy", "modern"]
"""`legacy`: 2024-11-05 to 2025-11-25, with a handshake. `modern`: 2026-07-28, stateless."""

Kind = Literal["tools", "prompts", "resources", "templates"]
Phase = Literal["starting", "ready", "down", "stopped"]
TaskVerb = Literal["get", "update", "cancel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The call ended; `body` is the result as the provider wrote it, `isError` included."""

    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The call waits for answers; it goes on when it is made again with `inputResponses` and `requestState`.

    `body` is an `InputRequiredResult`: `inputRequests` (key -> {method, params}) and, mostly, `requestState`.

    Source: MCP 2026-07-28, basic/patterns/mrtr.
    """

    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """The call goes on as a task; `body` is a `CreateTaskResult` with its `taskId`.

    Source: MCP extension io.modelcontextprotocol/tasks.
    """

    body: Json


Outcome = Answer | Questions | TaskStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that a provider tells without being asked."""

    what: Kind | Literal["resource_updated", "state", "notification"]
    uri: str | None = None
    """Which resource was updated."""
    message: Json | None = None
    """For `notification`: `{method, params}` to be relayed as it stands (tasks, elicitation complete)."""


Listener = Callable[[Change], None]
"""Called on the event loop; must return at once and must not raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """How a provider is, for `/readyz`, `hub servers` and `hub doctor`."""

    phase: Phase
    since: datetime
    next_try_at: datetime | None = None
    era: Era | None = None
    protocol_version: str | None = None
    server_info: Json | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict[str, Any])
    instructions: str | None = None
    problem: str | None = None
    """What is wrong and what to do, in one line, when `phase` is not `ready`."""


class Caller(Protocol):
    """Who calls, and can be turned to while the call goes on: a client of either era, a durable step, a terminal."""

    @property
    def identity(self) -> str:
        """Who this is: calls of different identities never see each other's questions, logs or tasks."""
        ...

    @property
    def era(self) -> Era: ...

    @property
    def live(self) -> bool:
        """Whether `ask` reaches somebody in the middle of the call; if not, a provider returns `Questions`."""
        ...

    @property
    def client_info(self) -> Json | None: ...

    @property
    def capabilities(self) -> Json:
        """What the client declared (`ClientCapabilities` in wire form): a server is never shown more."""
        ...

    @property
    def wants_progress(self) -> bool: ...

    @property
    def log_level(self) -> str | None:
        """The least severe level that the caller wants, or None: it wants no log messages."""
        ...

    async def progress(self, params: Json) -> None:
        """Pass on `ProgressNotificationParams`; their token is replaced by the caller's own."""
        ...

    async def log(self, params: Json) -> None:
        """Pass on `LoggingMessageNotificationParams`, if the caller wants that level."""
        ...

    async def ask(self, method: str, params: Json) -> Json:
        """Ask `elicitation/create`, `sampling/createMessage` or `roots/list` and wait for the result.

        Raises:
            UnsupportedError: the client did not declare it, or `live` is false.
            RemoteError: the client answered with an error.
        """
        ...


@runtime_checkable
class Provider(Protocol):
    """What can be called: an upstream server, an agent, an adapter.

    `params` are the request's parameters in wire form under the provider's own names. Their `_meta` holds what the
    caller sent but for the envelope (`io.modelcontextprotocol/*`) and `progressToken`: those stand in `Caller`.

    Every request may raise `UpstreamDownError`, `CallTimeoutError`, `UnsupportedError` or `RemoteError`. A request
    whose task is cancelled is cancelled at the provider too.
    """

    @property
    def name(self) -> str:
        """The key in the configuration."""
        ...

    @property
    def state(self) -> ProviderState: ...

    async def list(self, kind: Kind) -> Sequence[Json]:
        """All entries of one kind, every page of them; empty where the provider has no such kind."""
        ...

    async def call(self, params: Json, caller: Caller) -> Outcome:
        """Run one tool (`tools/call`: name, arguments, and in later rounds inputResponses and requestState)."""
        ...

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome: ...

    async def read(self, params: Json, caller: Caller) -> Outcome: ...

    async def complete(self, params: Json, caller: Caller) -> Json: ...

    async def subscribe(self, uri: str) -> None:
        """Have `Change(what="resource_updated")` told for this URI until `unsubscribe`."""
        ...

    async def unsubscribe(self, uri: str) -> None: ...

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        """`tasks/get`, `tasks/update` or `tasks/cancel`; `params` hold `taskId`.

        Raises:
            UnknownNameError: this provider has no such task.
        """
        ...

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Tell every change from now on; returns what ends it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """An HTTP answer that passes through unread."""

    status: int
    content_type: bytes
    body: AsyncGenerator[bytes, None] | bytes


@runtime_checkable
class RawRelay(Protocol):
    """A provider that can answer one modern `tools/call` without a look at the answer."""

    def can_relay(self, request: Json) -> bool:
        """Whether this request may take the short lane now; no I/O."""
        ...

    async def relay(self, request: Json, caller: Caller) -> RawReply:
        """Answer a whole JSON-RPC `tools/call` request of the modern era, already under the provider's own names.

        Args:
            request: the JSON-RPC request with `_meta` as the client sent it, envelope included.

        Returns:
            The answer for the client: a JSON-RPC response as JSON, or an event stream that ends with it. The reply's
            stream must be read to its end or closed.

        Raises:
            UpstreamDownError: nothing was answered; nothing was sent to the client yet.
        """
        ...
