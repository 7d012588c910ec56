"""The tools of the notes server."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, TypeVar

import anyio
from anyio import to_thread
from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from mcp_servers.changes import ChangeFeed
from mcp_servers.notes.confirmation import confirm_deletion
from mcp_servers.notes.model import Body, Deletion, FoundNotes, Note, NoteId, NotePage, Tag, Title, tag_uri
from mcp_servers.notes.store import ChangedNoteError, NoteStore, UnknownNoteError
from mcp_servers.toolset import ToolCall, ToolRefusedError, Toolset, TypedTool

ResultT = TypeVar("ResultT")

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_SETS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_REWRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)
_DELETES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AddNote(_Arguments):
    title: Title = Field(description="One line that says what the note is about.")
    body: Body = Field("", description="The text, Markdown if you like.")
    tags: list[Tag] = Field(default_factory=list[str], max_length=20, description="Words to find it by.")


class GetNote(_Arguments):
    id: NoteId


class ListNotes(_Arguments):
    tag: Tag | None = Field(None, description="Only notes with this tag.")
    before: NoteId | None = Field(None, description="`next_before` of the page before.")
    limit: int = Field(20, ge=1, le=100, description="Notes on a page.")


class SearchNotes(_Arguments):
    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="Words, or beginnings of words, that the note must have, all of them."
    )
    tag: Tag | None = Field(None, description="Only notes with this tag.")
    limit: int = Field(20, ge=1, le=100, description="Hits to show.")


class UpdateNote(_Arguments):
    id: NoteId
    title: Title | None = Field(None, description="New title.")
    body: Body | None = Field(None, description="New text, in place of the old one.")
    append: Body | None = Field(None, description="Text to put after what is there.")
    expected_version: int | None = Field(None, ge=1, description="Refuse if the note is in another version.")

    @model_validator(mode="after")
    def _says_what_to_change(self) -> "UpdateNote":
        if self.title is None and self.body is None and self.append is None:
            raise ValueError("expected at least one of title, body, append")
        return self


class TagNote(_Arguments):
    id: NoteId
    tags: list[Tag] = Field(min_length=1, max_length=20)


class DeleteNote(_Arguments):
    id: NoteId
    confirm: bool = Field(False, description="True if the person has already agreed; then nobody is asked.")


class NoteTools:
    """Runs each tool as one transaction in a worker thread, and tells what it changed."""

    def __init__(self, store: NoteStore, changes: ChangeFeed) -> None:
        self._store = store
        self._changes = changes
        self._turn = anyio.CapacityLimiter(1)

    def toolset(self) -> Toolset:
        return Toolset(
            [
                _tool(
                    "add_note", "Add a note", "Write a new note and return it with its number.",
                    AddNote, Note, _ADDS, self.add,
                ),
                _tool("get_note", "Get a note", "Return one note, whole.", GetNote, Note, _READS, self.get),
                _tool(
                    "list_notes", "List notes", "List notes, the newest first, page by page.",
                    ListNotes, NotePage, _READS, self.list,
                ),
                _tool(
                    "search_notes", "Search notes", "Find notes by words in their title and text.",
                    SearchNotes, FoundNotes, _READS, self.search,
                ),
                _tool(
                    "update_note", "Change a note", "Replace the title or the text of a note, or add to its text.",
                    UpdateNote, Note, _REWRITES, self.update,
                ),
                _tool("tag_note", "Tag a note", "Give a note tags.", TagNote, Note, _SETS, self.tag),
                _tool("untag_note", "Untag a note", "Take tags from a note.", TagNote, Note, _SETS, self.untag),
                _tool(
                    "delete_note", "Delete a note",
                    "Delete a note for good. Asks the person first, unless `confirm` says that they have agreed.",
                    DeleteNote, Deletion, _DELETES, self.delete,
                ),
            ]
        )  # fmt: skip

    async def read(self, work: Callable[[], ResultT]) -> ResultT:
        """Run one transaction of the store in a worker thread, one at a time."""
        return await to_thread.run_sync(work, limiter=self._turn)

    async def add(self, _call: ToolCall, arguments: AddNote) -> Note:
        note = await self._change(
            lambda: self._store.add(title=arguments.title, body=arguments.body, tags=arguments.tags)
        )
        await self._tell(note, note.tags, listed=True)
        return note

    async def get(self, _call: ToolCall, arguments: GetNote) -> Note:
        return await self._change(lambda: self._store.get(arguments.id))

    async def list(self, _call: ToolCall, arguments: ListNotes) -> NotePage:
        return await self.read(
            lambda: self._store.list(tag=arguments.tag, before=arguments.before, limit=arguments.limit)
        )

    async def search(self, _call: ToolCall, arguments: SearchNotes) -> FoundNotes:
        return await self.read(lambda: self._store.search(arguments.query, tag=arguments.tag, limit=arguments.limit))

    async def update(self, _call: ToolCall, arguments: UpdateNote) -> Note:
        note = await self._change(
            lambda: self._store.update(
                arguments.id,
                title=arguments.title,
                body=arguments.body,
                append=arguments.append,
                expected_version=arguments.expected_version,
            )
        )
        await self._tell(note, note.tags, listed=arguments.title is not None)
        return note

    async def tag(self, _call: ToolCall, arguments: TagNote) -> Note:
        note = await self._change(lambda: self._store.tag(arguments.id, add=arguments.tags))
        await self._tell(note, note.tags, listed=False)
        return note

    async def untag(self, _call: ToolCall, arguments: TagNote) -> Note:
        note = await self._change(lambda: self._store.tag(arguments.id, remove=arguments.tags))
        await self._tell(note, [*note.tags, *arguments.tags], listed=False)
        return note

    async def delete(self, call: ToolCall, arguments: DeleteNote) -> Any:
        note = await self._change(lambda: self._store.get(arguments.id))
        if arguments.confirm:
            agreed = True
        else:
            agreed = await confirm_deletion(call, note)
            if not isinstance(agreed, bool):
                return agreed
        if agreed:
            await self._change(lambda: self._store.delete(note.id, expected_version=note.version))
            await self._tell(note, note.tags, listed=True)
        return Deletion(id=note.id, title=note.title, deleted=agreed)

    async def _change(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            return await self.read(work)
        except (UnknownNoteError, ChangedNoteError) as error:
            raise ToolRefusedError(str(error)) from error

    async def _tell(self, note: Note, tags: Iterable[str], *, listed: bool) -> None:
        uris = [note.uri, "notes://all", "notes://recent", *(tag_uri(tag) for tag in tags)]
        await self._changes.resources_changed(updated=uris, listed=listed)


_ArgumentsT = TypeVar("_ArgumentsT", bound=BaseModel)


def _tool(
    name: str,
    title: str,
    description: str,
    arguments: type[_ArgumentsT],
    result: type[BaseModel],
    annotations: ToolAnnotations,
    run: Callable[[ToolCall, _ArgumentsT], Awaitable[Any]],
) -> TypedTool[_ArgumentsT]:
    return TypedTool(
        name=name,
        title=title,
        description=description,
        arguments=arguments,
        result=result,
        annotations=annotations.model_copy(update={"title": title}),
        run=run,
    )
