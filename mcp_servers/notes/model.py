"""What a note is, and in which shapes tools give it."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NoteId = Annotated[int, Field(ge=1, le=2**53 - 1, description="Number of the note.")]
Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^\w[\w-]*$", min_length=1, max_length=40)
]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Body = Annotated[str, StringConstraints(max_length=200_000)]


class Note(BaseModel):
    """One note, whole."""

    model_config = ConfigDict(frozen=True)

    id: int
    uri: str
    title: str
    body: str
    tags: Sequence[str]
    version: int = Field(description="Grows with each change.")
    created_at: str = Field(description="ISO 8601, UTC.")
    updated_at: str = Field(description="ISO 8601, UTC.")


class NoteSummary(BaseModel):
    """One note in a list."""

    model_config = ConfigDict(frozen=True)

    id: int
    uri: str
    title: str
    tags: Sequence[str]
    excerpt: str
    updated_at: str


class NotePage(BaseModel):
    """One page of a list, newest notes first."""

    notes: list[NoteSummary]
    total: int = Field(description="Notes on all pages.")
    next_before: int | None = Field(description="Give this as `before` to get the next page; null on the last one.")


class FoundNotes(BaseModel):
    """The best hits of a search, best first; the excerpt shows the hit between [brackets]."""

    notes: list[NoteSummary]
    total: int = Field(description="Notes that match, shown here or not.")


class Deletion(BaseModel):
    """What became of a request to delete."""

    id: int
    title: str
    deleted: bool


def note_uri(note_id: int) -> str:
    return f"notes://note/{note_id}"


def tag_uri(tag: str) -> str:
    return f"notes://tag/{quote(tag, safe='')}"
