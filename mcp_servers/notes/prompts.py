"""Prompts made of notes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mcp import MCPError
from mcp.types import (
    INVALID_PARAMS,
    EmbeddedResource,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
    TextResourceContents,
)

from mcp_servers.notes.model import Note
from mcp_servers.notes.resources import to_markdown
from mcp_servers.notes.store import NoteStore
from mcp_servers.notes.tools import NoteTools
from mcp_servers.toolset import RequestContext

_MAX_NOTES = 50


class NotePrompts:
    """The prompts of the notes server; each carries the notes that it is about."""

    def __init__(self, store: NoteStore, tools: NoteTools) -> None:
        self._store = store
        self._tools = tools

    async def list(self, _context: RequestContext, _params: PaginatedRequestParams | None) -> ListPromptsResult:
        return ListPromptsResult(
            prompts=[
                Prompt(
                    name="summarize_notes",
                    title="Summarize notes",
                    description="Summarize what the notes of a tag say.",
                    arguments=[PromptArgument(name="tag", description="Tag of the notes.", required=True)],
                ),
                Prompt(
                    name="weekly_review",
                    title="Weekly review",
                    description="Look back on the notes of the last days and say what is open.",
                    arguments=[
                        PromptArgument(name="tag", description="Only notes with this tag.", required=False),
                        PromptArgument(name="days", description="How far to look back (7).", required=False),
                    ],
                ),
            ]
        )

    async def get(self, _context: RequestContext, params: GetPromptRequestParams) -> GetPromptResult:
        arguments = params.arguments or {}
        if params.name == "summarize_notes":
            return await self._summarize(arguments)
        if params.name == "weekly_review":
            return await self._review(arguments)
        raise _invalid(f"There is no prompt {params.name!r}; there are: summarize_notes, weekly_review.")

    async def _summarize(self, arguments: dict[str, str]) -> GetPromptResult:
        tag = arguments.get("tag", "").strip().lower()
        if not tag:
            raise _invalid("summarize_notes needs the argument `tag`.")
        notes = await self._tools.read(lambda: self._store.recent(limit=_MAX_NOTES, tag=tag))
        if not notes:
            raise _invalid(f"No note has the tag {tag!r}; complete `tag` to see which there are.")
        return GetPromptResult(
            description=f"Summary of {_count(notes)} tagged {tag}",
            messages=_messages(f"Summarize these {_count(notes)} tagged “{tag}” in a few sentences.", notes),
        )

    async def _review(self, arguments: dict[str, str]) -> GetPromptResult:
        days_text = arguments.get("days", "").strip() or "7"
        if not days_text.isdecimal() or not 1 <= int(days_text) <= 366:
            raise _invalid(f"weekly_review: `days` is {days_text!r}, expected a whole number from 1 to 366.")
        tag = arguments.get("tag", "").strip().lower() or None
        since = (datetime.now(UTC) - timedelta(days=int(days_text))).isoformat(timespec="microseconds")
        notes = await self._tools.read(lambda: self._store.recent(limit=_MAX_NOTES, since=since, tag=tag))
        return GetPromptResult(
            description=f"Review of {_count(notes)} from the last {days_text} days",
            messages=_messages(
                f"Here are {_count(notes)} changed in the last {days_text} days. "
                "Say what was done, what is still open, and what should come next.",
                notes,
            ),
        )


def _messages(task: str, notes: Sequence[Note]) -> list[PromptMessage]:
    return [
        PromptMessage(role="user", content=TextContent(text=task)),
        *(
            PromptMessage(
                role="user",
                content=EmbeddedResource(
                    resource=TextResourceContents(uri=note.uri, text=to_markdown(note), mime_type="text/markdown")
                ),
            )
            for note in notes
        ),
    ]


def _count(notes: Sequence[Note]) -> str:
    return f"{len(notes)} note" if len(notes) == 1 else f"{len(notes)} notes"


def _invalid(message: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=message)
