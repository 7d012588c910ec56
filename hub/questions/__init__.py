"""What people and clients are asked by runs: stored before it is asked, answered once."""

from hub.questions.record import QuestionRecord, QuestionStatus
from hub.questions.redelivery import keep_redelivering
from hub.questions.store import Questions

__all__ = ["QuestionRecord", "QuestionStatus", "Questions", "keep_redelivering"]
