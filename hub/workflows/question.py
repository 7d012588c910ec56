"""What a person, or a client, is asked by a run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from hub.errors import InvalidInputError

PUT_STEP: Final = "hub.questions.put"
"""Name of the step that stores a question; `hub.questions` brings it."""
TAKE_STEP: Final = "hub.questions.take"
"""Name of the step that takes the stored answer into the run."""

Action = Literal["accept", "decline", "cancel"]


MOST_CARRIED_BYTES: Final = 64 * 1024
"""Larger answers are not in the event: the run takes them from the store."""


def answered_event(question_id: str) -> str:
    """Name of the event that tells a run that its question is answered."""
    return f"hub.answered.{question_id}"


def pack_answer(digest: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Data of the event: the stored answer with the digest of its question; without the answer if it is large."""
    text = json.dumps(dict(result), separators=(",", ":"))
    return {"digest": digest, "result": dict(result)} if len(text) <= MOST_CARRIED_BYTES else {"digest": digest}


def unpack_answer(data: object, digest: str) -> Mapping[str, Any] | None:
    """The answer that an event carries; None if it carries none, or one to another question."""
    if not isinstance(data, Mapping):
        return None
    carried = cast("Mapping[str, Any]", data)
    result = carried.get("result")
    if carried.get("digest") != digest or not isinstance(result, Mapping):
        return None
    return cast("Mapping[str, Any]", result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request of the protocol's kind: `elicitation/create`, `sampling/createMessage` or `roots/list`.

    Source: MCP 2026-07-28, client features.
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def form(cls, message: str, schema: Mapping[str, Any] | None = None) -> "Question":
        """Ask a person for what the schema describes; without one, for a yes or no.

        Args:
            schema: JSON schema of a flat object.
        """
        wanted = schema or {"type": "object", "properties": {}}
        return cls(
            method="elicitation/create", params={"mode": "form", "message": message, "requestedSchema": dict(wanted)}
        )

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON of what is asked, hex: an answer counts for nothing else."""
        asked = {"method": self.method, "params": dict(self.params)}
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def message(self) -> str:
        """What a person reads."""
        return str(self.params.get("message", self.method))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: the result of the request as the one who answered wrote it."""

    result: Mapping[str, Any]

    @property
    def action(self) -> Action | None:
        """Of an elicitation: what the person did; None for another kind of request."""
        action = self.result.get("action")
        if action is None:
            return None
        if action not in ("accept", "decline", "cancel"):
            raise InvalidInputError(f"answer: expected the action accept, decline or cancel, not {action!r}")
        return action

    @property
    def accepted(self) -> bool:
        return self.result.get("action") == "accept"

    @property
    def content(self) -> Mapping[str, Any]:
        """Of an accepted elicitation: the values that the person gave."""
        content = self.result.get("content")
        return cast("Mapping[str, Any]", content) if isinstance(content, Mapping) else {}
