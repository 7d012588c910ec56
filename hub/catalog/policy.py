"""What stands between a caller and a tool: a list of small objects, the same for every caller and both lanes."""

from dataclasses import dataclass
from typing import Protocol

from hub.catalog.entry import ToolEntry
from hub.catalog.provider import Caller, Json, Outcome
from hub.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One `tools/call` on its way to a provider."""

    entry: ToolEntry
    params: Json
    """The parameters as the client sent them, under the public name."""
    caller: Caller


class Policy(Protocol):
    """One rule about calls."""

    @property
    def reads_answers(self) -> bool:
        """Whether `after` needs the outcome; such a policy closes the short lane."""
        ...

    async def before(self, call: ToolCall) -> ToolCall:
        """Let the call pass, changed or not.

        Raises:
            HubError: the call is refused; the message says why and what to do.
        """
        ...

    async def after(self, call: ToolCall, outcome: Outcome) -> Outcome:
        """Look at how the call ended, and change that or not."""
        ...


class ArgumentCheck:
    """Refuses arguments that do not fit the tool's schema before they leave the hub.

    Source: MCP 2026-07-28, server/tools (servers MUST validate inputs; failures are tool results).
    """

    reads_answers = False

    async def before(self, call: ToolCall) -> ToolCall:
        arguments = call.params.get("arguments")
        faults = call.entry.schema.faults({} if arguments is None else arguments)
        if faults:
            raise InvalidInputError(f"{call.entry.name} does not take these arguments: {'; '.join(faults)}")
        return call

    async def after(self, call: ToolCall, outcome: Outcome) -> Outcome:
        return outcome
