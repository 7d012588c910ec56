"""One question as it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from hub.workflows.question import Question

QuestionStatus = Literal["open", "answered", "used", "closed"]
"""`answered`: stored, the run has not taken it yet. `closed`: nobody waits for an answer any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRecord:
    """A question, who asks it, and what has come of it."""

    id: str
    run_id: str
    question: Question
    status: QuestionStatus
    asked_at: datetime
    answered_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    """The answer: the result of the request as the one who answered wrote it."""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The run's `ctx.meta`."""

    @property
    def digest(self) -> str:
        return self.question.digest

    @property
    def identity(self) -> str | None:
        """On whose behalf the run asks; others never see the question."""
        identity = self.meta.get("identity")
        return identity if isinstance(identity, str) else None


def to_json(record: QuestionRecord) -> dict[str, Any]:
    """The record as it is stored, and shown to machines."""
    return {
        "id": record.id,
        "run_id": record.run_id,
        "method": record.question.method,
        "params": dict(record.question.params),
        "digest": record.digest,
        "status": record.status,
        "asked_at": record.asked_at.isoformat(),
        "answered_at": None if record.answered_at is None else record.answered_at.isoformat(),
        "result": None if record.result is None else dict(record.result),
        "meta": dict(record.meta),
    }


def from_json(stored: Mapping[str, Any]) -> QuestionRecord:
    """A stored record, or one that a run has just written."""
    answered_at = stored.get("answered_at")
    return QuestionRecord(
        id=stored["id"],
        run_id=stored["run_id"],
        question=Question(method=stored["method"], params=stored["params"]),
        status=cast("QuestionStatus", stored.get("status", "open")),
        asked_at=datetime.fromisoformat(stored["asked_at"]),
        answered_at=None if answered_at is None else datetime.fromisoformat(answered_at),
        result=stored.get("result"),
        meta=stored.get("meta") or {},
    )
