"""Hooks: what a program has to say before and after each model call and tool call of an agent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hub.agents.messages import Message
from hub.agents.signatures import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One question to a model."""

    messages: Sequence[Message]
    tools: Sequence[Json] = ()
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call that the model asks for."""

    id: str
    tool: str
    """The tool's name as the model knows it."""
    arguments: Json
    source: str | None = None
    """The name of the tool source that it comes from; None: a function, a method or an agent."""

    def with_arguments(self, arguments: Json) -> "ToolCall":
        return replace(self, arguments=arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What the model is told that a tool answered."""

    content: Any
    failed: bool = False


class Hooks:
    """Override what is of interest. Hooks are durable code: they may await steps, timers and questions of the run
    (`agent.context`), nothing else, and they run again on each replay.
    """

    async def before_model(self, call: ModelCall) -> ModelCall:
        """Let the call pass, changed or not."""
        return call

    async def after_model(self, message: Message) -> Message:
        """Take the answer as it is, or another."""
        return message

    async def before_tool(self, call: ToolCall) -> ToolCall | ToolResult:
        """Let the call pass, changed or not; a result stands for the tool's, which is not called then."""
        return call

    async def after_tool(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """Take the result as it is, or another."""
        return result
