"""Which part of a thread goes into a prompt as it stands, and which into a summary."""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.agents.memory.protocol import Overgrown
from hub.agents.messages import Message
from hub.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How much of a thread is kept word by word."""

    messages: int = 40
    """The latest messages that a prompt holds."""
    summarise: bool = True
    """Whether older messages become a summary; without, they are out of sight."""

    def __post_init__(self) -> None:
        if self.messages < 1:
            raise InvalidInputError("memory: `window` is a number of messages, 1 or more")

    def visible(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The latest messages, from one on that the user said: a tool's answer without its call confuses a model."""
        limit = self.messages * 2 if self.summarise else self.messages
        start = max(0, len(messages) - limit)
        while start < len(messages) and not opens_a_turn(messages[start]):
            start += 1
        return messages[start:]

    def overgrown(self, messages: Sequence[Message], *, covered: int, summary: str | None) -> Overgrown | None:
        """What should be summarised, once twice the window is reached.

        Args:
            messages: those that no summary covers.
            covered: how many it does cover.
        """
        if not self.summarise or len(messages) < self.messages * 2:
            return None
        end = len(messages) - self.messages
        while end > 0 and not opens_a_turn(messages[end]):
            end -= 1
        if end == 0:
            return None
        return Overgrown(upto=covered + end, summary=summary, messages=messages[:end])


def opens_a_turn(message: Message) -> bool:
    """Whether this is something that the user said."""
    return any(part.get("part_kind") == "user-prompt" for part in message.get("parts", []))
