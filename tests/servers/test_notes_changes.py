"""Clients are told what changed, each in the way of its protocol era."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import (
    EmptyResult,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from mcp_servers.notes.server import build_server
from mcp_servers.notes.store import NoteStore
from tests.servers.clients import Transport, connect


@pytest.fixture
def store(tmp_path: Path) -> Generator[NoteStore]:
    with closing(NoteStore.open(tmp_path / "notes.db")) as store:
        store.add(title="Draft", body="text", tags=["old"])
        yield store


async def test_a_modern_client_hears_of_the_resources_that_it_listens_to(store: NoteStore) -> None:
    heard: list[Any] = []
    with anyio.fail_after(20):
        async with (
            Client(build_server(store), mode="2026-07-28") as client,
            client.listen(
                resources_list_changed=True, resource_subscriptions=["notes://note/1", "notes://tag/old"]
            ) as changes,
        ):
            await client.call_tool("untag_note", {"id": 1, "tags": ["old"]})
            await client.call_tool("add_note", {"title": "Another"})
            async for change in changes:
                heard.append(change)
                if change == ResourcesListChanged():
                    break
    assert heard == [
        ResourceUpdated(uri="notes://note/1"),
        ResourceUpdated(uri="notes://tag/old"),
        ResourcesListChanged(),
    ]


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_legacy_client_hears_of_the_resources_that_it_subscribed_to(
    transport: Transport, tmp_path: Path
) -> None:
    heard: list[str] = []
    wake = anyio.Event()

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.append(str(message.params.uri))
        elif isinstance(message, ResourceListChangedNotification):
            heard.append("list")
        if "notes://all" in heard and "list" in heard:
            wake.set()

    with anyio.fail_after(40):
        async with connect(
            "mcp_servers.notes",
            ["--db", str(tmp_path / "notes.db")],
            transport=transport,
            mode="legacy",
            folder=tmp_path,
            message_handler=hear,
        ) as client:
            for uri in ("notes://recent", "notes://all"):
                await client.session.send_request(SubscribeRequest(params=SubscribeRequestParams(uri=uri)), EmptyResult)
            await client.session.send_request(
                UnsubscribeRequest(params=UnsubscribeRequestParams(uri="notes://recent")), EmptyResult
            )
            while not wake.is_set():
                # Over HTTP the stream of such messages is opened beside the first requests: the first may be early.
                await client.call_tool("add_note", {"title": "Another"})
                with anyio.move_on_after(0.5):
                    await wake.wait()
    assert set(heard) == {"notes://all", "list"}
