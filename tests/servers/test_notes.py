"""The notes server as its clients see it."""

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    CompletionArgument,
    EmbeddedResource,
    PromptReference,
    ResourcesCapability,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from mcp_servers.notes.server import build_server
from mcp_servers.notes.store import NoteStore
from tests.servers.clients import MODERN_VERSION, WAYS, Mode, Transport, connect, version_of


@pytest.fixture
def store(tmp_path: Path) -> Generator[NoteStore]:
    with closing(NoteStore.open(tmp_path / "notes.db")) as store:
        yield store


@asynccontextmanager
async def in_process(store: NoteStore, **options: Any) -> AsyncGenerator[Client]:
    with anyio.fail_after(20):
        async with Client(build_server(store), **options) as client:
            yield client


def refusal(result: CallToolResult) -> str:
    assert result.is_error
    assert result.structured_content is None
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize(("transport", "mode"), WAYS)
async def test_a_note_is_written_found_changed_and_read_back_on_each_transport_in_each_era(
    transport: Transport, mode: Mode, tmp_path: Path
) -> None:
    arguments = ["--db", str(tmp_path / "notes.db")]
    with anyio.fail_after(40):
        async with connect("mcp_servers.notes", arguments, transport=transport, mode=mode, folder=tmp_path) as client:
            assert client.protocol_version == version_of(mode)
            if mode != MODERN_VERSION:  # a client that pins the version does not ask for the capabilities
                assert client.server_capabilities.resources == ResourcesCapability(subscribe=True, list_changed=True)

            added = await client.call_tool(
                "add_note", {"title": " Relay ", "body": "Nothing is lost.", "tags": ["Hub", "mcp", "hub"]}
            )
            expected = {
                "id": 1,
                "uri": "notes://note/1",
                "title": "Relay",
                "body": "Nothing is lost.",
                "tags": ["hub", "mcp"],
                "version": 1,
                "created_at": ANY,
                "updated_at": ANY,
            }
            assert added.structured_content == expected
            (text,) = added.content
            assert isinstance(text, TextContent)
            assert json.loads(text.text) == expected

            changed = await client.call_tool("update_note", {"id": 1, "append": " Nothing at all."})
            assert changed.structured_content == {**expected, "body": "Nothing is lost. Nothing at all.", "version": 2}

            found = await client.call_tool("search_notes", {"query": "noth rel"})
            assert found.structured_content == {
                "notes": [
                    {
                        "id": 1,
                        "uri": "notes://note/1",
                        "title": "Relay",
                        "tags": ["hub", "mcp"],
                        "excerpt": ANY,
                        "updated_at": ANY,
                    }
                ],
                "total": 1,
            }
            read = await client.read_resource("notes://note/1")
            assert read.contents == [
                TextResourceContents(
                    uri="notes://note/1",
                    mime_type="text/markdown",
                    text="# Relay\n\nNothing is lost. Nothing at all.\n\nTags: hub, mcp\n",
                )
            ]


async def test_tools_say_what_they_do_to_the_notes(store: NoteStore) -> None:
    async with in_process(store) as client:
        tools = (await client.list_tools()).tools
    hints = {
        tool.name: (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        for tool in tools
        if (hints := tool.annotations) is not None and hints.title == tool.title
    }
    assert hints == {
        "add_note": (False, False, False, False),
        "get_note": (True, False, True, False),
        "list_notes": (True, False, True, False),
        "search_notes": (True, False, True, False),
        "update_note": (False, True, False, False),
        "tag_note": (False, False, True, False),
        "untag_note": (False, False, True, False),
        "delete_note": (False, True, True, False),
    }
    assert all(tool.output_schema is not None and tool.output_schema["type"] == "object" for tool in tools)
    add = next(tool for tool in tools if tool.name == "add_note")
    assert add.input_schema["required"] == ["title"]
    assert add.input_schema["additionalProperties"] is False


async def test_a_list_is_given_page_by_page_and_by_tag(store: NoteStore) -> None:
    for number in range(1, 6):
        store.add(title=f"Note {number}", body="", tags=["odd"] if number % 2 else ["even"])
    async with in_process(store) as client:
        pages: list[list[int]] = []
        arguments: dict[str, Any] = {"limit": 2}
        while True:
            page = (await client.call_tool("list_notes", arguments)).structured_content
            assert page is not None
            assert page["total"] == 5
            pages.append([note["id"] for note in page["notes"]])
            if page["next_before"] is None:
                break
            arguments["before"] = page["next_before"]
        odd = (await client.call_tool("list_notes", {"tag": "ODD"})).structured_content
    assert pages == [[5, 4], [3, 2], [1]]
    assert odd is not None
    assert ([note["id"] for note in odd["notes"]], odd["total"], odd["next_before"]) == ([5, 3, 1], 3, None)


async def test_tags_are_given_and_taken(store: NoteStore) -> None:
    store.add(title="One", body="", tags=["a"])
    async with in_process(store) as client:
        tagged = (await client.call_tool("tag_note", {"id": 1, "tags": ["b", "a"]})).structured_content
        again = (await client.call_tool("tag_note", {"id": 1, "tags": ["b"]})).structured_content
        untagged = (await client.call_tool("untag_note", {"id": 1, "tags": ["a", "unknown"]})).structured_content
    assert tagged is not None
    assert again is not None
    assert untagged is not None
    assert (tagged["tags"], tagged["version"]) == (["a", "b"], 2)
    assert again == tagged
    assert (untagged["tags"], untagged["version"]) == (["b"], 3)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("get_note", {"id": 7}, "There is no note 7; list_notes and search_notes tell which there are."),
        ("get_note", {"id": "x"}, "The arguments do not fit get_note: $.id: Input should be a valid integer"),
        ("get_note", {}, "The arguments do not fit get_note: $.id: Field required."),
        ("get_note", {"id": 1, "x": 1}, "The arguments do not fit get_note: $.x: Extra inputs are not permitted."),
        ("add_note", {"title": " "}, "The arguments do not fit add_note: $.title: String should have at least 1 char"),
        ("tag_note", {"id": 1, "tags": ["ok", "a b"]}, "The arguments do not fit tag_note: $.tags[1]: String should"),
        (
            "update_note",
            {"id": 1},
            "The arguments do not fit update_note: $: expected at least one of title, body, append.",
        ),
        (
            "update_note",
            {"id": 1, "body": "", "expected_version": 4},
            "Note 1 is in version 1, not 4: somebody changed it meanwhile. Read it with get_note, then try again.",
        ),
        ("get_notes", {"id": 1}, "There is no tool 'get_notes'; there are: get_note"),
    ],
)
async def test_a_refusal_names_the_thing_and_what_was_expected(
    store: NoteStore, tool: str, arguments: dict[str, Any], message: str
) -> None:
    store.add(title="One", body="text", tags=[])
    async with in_process(store) as client:
        assert refusal(await client.call_tool(tool, arguments)).startswith(message)
    assert store.get(1).version == 1


@pytest.mark.parametrize("query", ['"', "NOT", 'a" OR "b', "title:", "*", "(x", "x AND", "^", "-x", "{x}"])
async def test_any_text_can_be_searched_for(store: NoteStore, query: str) -> None:
    store.add(title="One", body="text", tags=[])
    async with in_process(store) as client:
        result = await client.call_tool("search_notes", {"query": query})
    assert result.structured_content == {"notes": [], "total": 0}


async def test_resources_are_the_lists_and_the_notes_changed_last(store: NoteStore) -> None:
    store.add(title="Old", body="", tags=[])
    store.add(title="Größe", body="ü", tags=["maß"])
    store.update(1, title=None, body="new text", append=None, expected_version=None)
    async with in_process(store) as client:
        listed = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        (every,) = (await client.read_resource("notes://all")).contents
        (recent,) = (await client.read_resource("notes://recent")).contents
        (tagged,) = (await client.read_resource("notes://tag/ma%C3%9F")).contents
    assert [(resource.uri, resource.title, resource.size) for resource in listed] == [
        ("notes://all", "All notes", None),
        ("notes://recent", "Recent notes", None),
        ("notes://note/1", "Old", 16),
        ("notes://note/2", "Größe", 26),
    ]
    assert [template.uri_template for template in templates] == ["notes://note/{id}", "notes://tag/{tag}"]
    assert isinstance(every, TextResourceContents)
    assert json.loads(every.text) == [
        {"id": 2, "uri": "notes://note/2", "title": "Größe", "tags": ["maß"]},
        {"id": 1, "uri": "notes://note/1", "title": "Old", "tags": []},
    ]
    assert isinstance(recent, TextResourceContents)
    assert recent.text == "# Old\n\nnew text\n\n# Größe\n\nü\n\nTags: maß\n"
    assert isinstance(tagged, TextResourceContents)
    assert tagged.text == "# Größe\n\nü\n\nTags: maß\n"


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("uri", ["notes://note/9", "notes://tag/none", "notes://other", "notes://note/1x"])
async def test_a_resource_that_is_not_there_is_refused_with_its_address(store: NoteStore, mode: Mode, uri: str) -> None:
    async with in_process(store, mode=mode) as client:
        with pytest.raises(MCPError, match=f"Resource not found: {uri}") as refused:
            await client.read_resource(uri)
    assert (refused.value.error.code, refused.value.error.data) == (INVALID_PARAMS, {"uri": uri})


async def test_prompts_carry_the_notes_that_they_are_about(store: NoteStore) -> None:
    store.add(title="Plan", body="Write it.", tags=["work"])
    store.add(title="Other", body="", tags=[])
    async with in_process(store) as client:
        prompts = (await client.list_prompts()).prompts
        summary = await client.get_prompt("summarize_notes", {"tag": "work"})
        review = await client.get_prompt("weekly_review", {})
        with pytest.raises(MCPError, match="No note has the tag 'none'"):
            await client.get_prompt("summarize_notes", {"tag": "none"})
        with pytest.raises(MCPError, match="`days` is 'x', expected a whole number from 1 to 366"):
            await client.get_prompt("weekly_review", {"days": "x"})
        with pytest.raises(MCPError, match="There is no prompt 'none'; there are: summarize_notes, weekly_review"):
            await client.get_prompt("none", {})
    assert [(prompt.name, [argument.name for argument in prompt.arguments or []]) for prompt in prompts] == [
        ("summarize_notes", ["tag"]),
        ("weekly_review", ["tag", "days"]),
    ]
    assert summary.description == "Summary of 1 note tagged work"
    assert [message.content for message in summary.messages] == [
        TextContent(text="Summarize these 1 note tagged “work” in a few sentences."),
        EmbeddedResource(
            resource=TextResourceContents(
                uri="notes://note/1", mime_type="text/markdown", text="# Plan\n\nWrite it.\n\nTags: work\n"
            )
        ),
    ]
    assert review.description == "Review of 2 notes from the last 7 days"
    assert len(review.messages) == 3


async def test_tags_and_numbers_are_completed_the_most_likely_first(store: NoteStore) -> None:
    for number in range(12):
        store.add(title=f"Note {number}", body="", tags=["work", "weekly"] if number == 0 else ["work"])
    async with in_process(store) as client:
        tags = await client.complete(
            PromptReference(name="summarize_notes"), CompletionArgument(name="tag", value="W").model_dump()
        )
        ids = await client.complete(
            ResourceTemplateReference(uri="notes://note/{id}"), CompletionArgument(name="id", value="1").model_dump()
        )
        other = await client.complete(
            PromptReference(name="weekly_review"), CompletionArgument(name="days", value="1").model_dump()
        )
    assert (tags.completion.values, tags.completion.total, tags.completion.has_more) == (["work", "weekly"], 2, False)
    assert ids.completion.values == ["12", "11", "10", "1"]
    assert other.completion.values == []
