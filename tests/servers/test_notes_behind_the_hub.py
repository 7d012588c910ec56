"""Notes behind the hub are the notes themselves: nothing of them is lost on the way, in either era."""

import json
import sys
from collections.abc import Generator
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import (
    ElicitRequestParams,
    ElicitResult,
    EmptyResult,
    PromptReference,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
)

from tests.servers.clients import Mode
from tests.tooling.hubs import RunningHub, open_hub

both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningHub]:
    folder = tmp_path_factory.mktemp("notes-behind-the-hub")
    arguments = ["-m", "mcp_servers.notes", "--db", str(folder / "notes.db")]
    with open_hub(folder, json.dumps({"servers": {"notes": {"command": sys.executable, "args": arguments}}})) as hub:
        yield hub


async def add_note(client: Client, title: str, *tags: str) -> dict[str, Any]:
    added = await client.call_tool("notes__add_note", {"title": title, "body": "text", "tags": list(tags)})
    assert added.structured_content is not None, added.content
    return added.structured_content


@both_eras
async def test_a_note_is_deleted_once_the_person_agreed(hub: RunningHub, mode: Mode) -> None:
    asked: list[str] = []

    async def agree(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"delete": True})

    with anyio.fail_after(30):
        async with Client(hub.url, mode=mode, elicitation_callback=agree) as client:
            note = await add_note(client, "Draft")
            deleted = await client.call_tool("notes__delete_note", {"id": note["id"]})
            gone = await client.call_tool("notes__get_note", {"id": note["id"]})
    assert deleted.structured_content == {"id": note["id"], "title": "Draft", "deleted": True}
    assert asked == [f"Delete note {note['id']}, “Draft”, for good?"]
    assert gone.is_error


@both_eras
async def test_a_client_that_cannot_ask_gets_the_refusal_of_the_server_itself(hub: RunningHub, mode: Mode) -> None:
    with anyio.fail_after(30):
        async with Client(hub.url, mode=mode) as client:
            note = await add_note(client, "Kept")
            refused = await client.call_tool("notes__delete_note", {"id": note["id"]})
    (content,) = refused.content
    assert refused.is_error
    assert isinstance(content, TextContent)
    assert content.text.endswith("Ask them yourself, then call delete_note again with confirm=true.")


@both_eras
async def test_resources_prompts_and_completions_are_those_of_the_server(hub: RunningHub, mode: Mode) -> None:
    tag = f"era-{mode}"
    with anyio.fail_after(30):
        async with Client(hub.url, mode=mode) as client:
            note = await add_note(client, "Read", tag)
            (read,) = (await client.read_resource(note["uri"])).contents
            prompt = await client.get_prompt("notes__summarize_notes", {"tag": tag})
            tags = await client.complete(
                PromptReference(name="notes__summarize_notes"), {"name": "tag", "value": tag[:5]}
            )
            ids = await client.complete(
                ResourceTemplateReference(uri="notes://note/{id}"), {"name": "id", "value": str(note["id"])}
            )
    assert isinstance(read, TextResourceContents)
    assert (read.uri, read.text) == (note["uri"], f"# Read\n\ntext\n\nTags: {tag}\n")
    assert prompt.description == f"Summary of 1 note tagged {tag}"
    assert tag in tags.completion.values
    assert ids.completion.values[0] == str(note["id"])


async def test_a_modern_client_hears_of_changes(hub: RunningHub) -> None:
    heard: set[Any] = set()
    with anyio.fail_after(30):
        async with Client(hub.url) as client:
            note = await add_note(client, "Heard")
            expected = {ResourceUpdated(uri=note["uri"]), ResourcesListChanged()}
            async with client.listen(resources_list_changed=True, resource_subscriptions=[note["uri"]]) as changes:
                await client.call_tool("notes__update_note", {"id": note["id"], "title": "Heard again"})
                async for change in changes:
                    heard.add(change)
                    if heard == expected:
                        break
    assert heard == expected


async def test_a_legacy_client_hears_of_changes(hub: RunningHub) -> None:
    heard: list[str] = []
    wake = anyio.Event()

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.append(str(message.params.uri))
            wake.set()

    with anyio.fail_after(30):
        async with Client(hub.url, mode="legacy", message_handler=hear) as client:
            note = await add_note(client, "Heard")
            subscription = SubscribeRequest(params=SubscribeRequestParams(uri=note["uri"]))
            await client.session.send_request(subscription, EmptyResult)
            while not wake.is_set():
                # The stream of such messages is opened beside the first requests: the first may be early.
                await client.call_tool("notes__update_note", {"id": note["id"], "append": "."})
                with anyio.move_on_after(0.5):
                    await wake.wait()
    assert set(heard) == {note["uri"]}
