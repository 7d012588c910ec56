"""Notes as resources: all, the recent ones, by number, by tag; and completions for what stands in their addresses."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import unquote

from mcp import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)
from pydantic import TypeAdapter

from mcp_servers.notes.model import Note
from mcp_servers.notes.store import NoteStore, UnknownNoteError
from mcp_servers.notes.tools import NoteTools
from mcp_servers.toolset import RequestContext

ResultT = TypeVar("ResultT")

_LISTED = 50
_MAX_COMPLETIONS = 100
_JSON = "application/json"
_MARKDOWN = "text/markdown"

_NOTE_URI = re.compile(r"notes://note/([1-9][0-9]{0,15})")
_TAG_URI = re.compile(r"notes://tag/([^/?#]{1,400})")

_SUMMARIES = TypeAdapter(list[dict[str, object]])


class NoteResources:
    """Reads notes for the resource methods and for completions."""

    def __init__(self, store: NoteStore, tools: NoteTools) -> None:
        self._store = store
        self._tools = tools

    async def list(self, _context: RequestContext, _params: PaginatedRequestParams | None) -> ListResourcesResult:
        """The two lists and the notes changed last; older ones are reached through the template and `notes://all`."""
        notes = await self._tools.read(lambda: self._store.recent(limit=_LISTED))
        return ListResourcesResult(
            resources=[
                Resource(
                    uri="notes://all",
                    name="all",
                    title="All notes",
                    description="Number, title and tags of each note, newest first.",
                    mime_type=_JSON,
                ),
                Resource(
                    uri="notes://recent",
                    name="recent",
                    title="Recent notes",
                    description="The ten notes changed last, whole.",
                    mime_type=_MARKDOWN,
                ),
                *(
                    Resource(
                        uri=note.uri,
                        name=f"note-{note.id}",
                        title=note.title,
                        mime_type=_MARKDOWN,
                        size=len(to_markdown(note).encode()),
                    )
                    for note in notes
                ),
            ]
        )

    async def list_templates(
        self, _context: RequestContext, _params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(uri_template="notes://note/{id}", name="note", title="One note", mime_type=_MARKDOWN),
                ResourceTemplate(
                    uri_template="notes://tag/{tag}", name="tag", title="The notes of a tag", mime_type=_MARKDOWN
                ),
            ]
        )

    async def read(self, _context: RequestContext, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Source: MCP 2026-07-28, server/resources; a resource that is not there is -32602 (SEP-2164)."""
        uri = str(params.uri)
        if uri == "notes://all":
            text = await self._tools.read(self._all)
            return _contents(uri, text, _JSON)
        return _contents(uri, await self._markdown(uri), _MARKDOWN)

    async def complete(self, _context: RequestContext, params: CompleteRequestParams) -> CompleteResult:
        """Complete `tag` and `id`, wherever they stand; other arguments have no completions."""
        typed = params.argument.value
        if params.argument.name == "tag":
            values = list(await self._tools.read(lambda: self._store.tags(prefix=typed.strip().lower())))
        elif params.argument.name == "id":
            values = [str(note_id) for note_id in await self._tools.read(lambda: self._store.ids(prefix=typed.strip()))]
        else:
            values = []
        return CompleteResult(
            completion=Completion(
                values=values[:_MAX_COMPLETIONS], total=len(values), has_more=len(values) > _MAX_COMPLETIONS
            )
        )

    async def _markdown(self, uri: str) -> str:
        if uri == "notes://recent":
            return _joined(await self._tools.read(lambda: self._store.recent(limit=10)))
        if match := _NOTE_URI.fullmatch(uri):
            note_id = int(match[1])
            return to_markdown(await self._found(uri, lambda: self._store.get(note_id)))
        if match := _TAG_URI.fullmatch(uri):
            tag = unquote(match[1]).lower()
            notes = await self._tools.read(lambda: self._store.recent(limit=100, tag=tag))
            if notes:
                return _joined(notes)
            raise _not_found(uri, f"No note has the tag {tag!r}.")
        raise _not_found(uri, "Expected notes://all, notes://recent, notes://note/{id} or notes://tag/{tag}.")

    async def _found(self, uri: str, work: Callable[[], ResultT]) -> ResultT:
        try:
            return await self._tools.read(work)
        except UnknownNoteError as error:
            raise _not_found(uri, str(error)) from error

    def _all(self) -> str:
        summaries: list[dict[str, object]] = []
        before: int | None = None
        while True:
            page = self._store.list(before=before, limit=500)
            summaries += [note.model_dump(include={"id", "uri", "title", "tags"}) for note in page.notes]
            before = page.next_before
            if before is None:
                return _SUMMARIES.dump_json(summaries).decode()


def to_markdown(note: Note) -> str:
    parts = [f"# {note.title}", note.body, f"Tags: {', '.join(note.tags)}" if note.tags else ""]
    return "\n\n".join(part for part in parts if part) + "\n"


def _joined(notes: Sequence[Note]) -> str:
    return "\n".join(to_markdown(note) for note in notes)


def _contents(uri: str, text: str, mime_type: str) -> ReadResourceResult:
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=mime_type)])


def _not_found(uri: str, message: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=f"Resource not found: {uri}. {message}", data={"uri": uri})
