"""A note is deleted only when somebody said so."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, InputRequiredResult, TextContent

from mcp_servers.notes.server import build_server
from mcp_servers.notes.store import NoteStore, UnknownNoteError
from tests.servers.clients import WAYS, Mode, Transport, connect

QUESTION = "Delete note 1, “Draft”, for good?"


@pytest.fixture
def store(tmp_path: Path) -> Generator[NoteStore]:
    with closing(NoteStore.open(tmp_path / "notes.db")) as store:
        store.add(title="Draft", body="text", tags=[])
        yield store


class Person:
    """Answers what is asked, and remembers it."""

    def __init__(self, *answers: ElicitResult) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        return self._answers.pop(0)


YES = ElicitResult(action="accept", content={"delete": True})
NO = ElicitResult(action="accept", content={"delete": False})


@pytest.mark.parametrize(("transport", "mode"), WAYS)
async def test_the_person_is_asked_before_a_note_is_gone(
    store: NoteStore, transport: Transport, mode: Mode, tmp_path: Path
) -> None:
    person = Person(NO, YES)
    arguments = ["--db", str(tmp_path / "notes.db")]
    with anyio.fail_after(40):
        async with connect(
            "mcp_servers.notes", arguments, transport=transport, mode=mode, folder=tmp_path, elicitation_callback=person
        ) as client:
            kept = await client.call_tool("delete_note", {"id": 1})
            assert kept.structured_content == {"id": 1, "title": "Draft", "deleted": False}
            assert store.get(1).title == "Draft"
            deleted = await client.call_tool("delete_note", {"id": 1})
            assert deleted.structured_content == {"id": 1, "title": "Draft", "deleted": True}
    assert person.asked == [QUESTION, QUESTION]
    with pytest.raises(UnknownNoteError):
        store.get(1)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_note_stays_when_the_person_does_not_answer_the_question(
    store: NoteStore, mode: Mode, action: Any
) -> None:
    with anyio.fail_after(20):
        person = Person(ElicitResult(action=action))
        async with Client(build_server(store), mode=mode, elicitation_callback=person) as client:
            result = await client.call_tool("delete_note", {"id": 1})
    assert result.structured_content == {"id": 1, "title": "Draft", "deleted": False}
    assert store.get(1).version == 1


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_that_cannot_ask_is_told_how_to_confirm(store: NoteStore, mode: Mode) -> None:
    with anyio.fail_after(20):
        async with Client(build_server(store), mode=mode) as client:
            refused = await client.call_tool("delete_note", {"id": 1})
            assert refused.is_error
            assert refused.content == [
                TextContent(
                    text="Note 1 ('Draft') was not deleted: a person has to agree and this client can't ask "
                    "(it has no elicitation). Ask them yourself, then call delete_note again with confirm=true."
                )
            ]
            assert store.get(1).title == "Draft"
            deleted = await client.call_tool("delete_note", {"id": 1, "confirm": True})
    assert deleted.structured_content == {"id": 1, "title": "Draft", "deleted": True}


async def test_a_note_that_changed_after_the_question_is_asked_about_again(store: NoteStore) -> None:
    person = Person(YES)
    with anyio.fail_after(20):
        async with Client(build_server(store), mode="2026-07-28", elicitation_callback=person) as client:
            asked = await client.session.call_tool("delete_note", {"id": 1}, allow_input_required=True)
            assert isinstance(asked, InputRequiredResult)
            store.update(1, title=None, body="quite another text", append=None, expected_version=None)
            again = await client.session.call_tool(
                "delete_note",
                {"id": 1},
                input_responses={"confirm_deletion": YES},
                request_state=asked.request_state,
                allow_input_required=True,
            )
    assert isinstance(again, InputRequiredResult)
    assert again.request_state != asked.request_state
    assert store.get(1).body == "quite another text"


async def test_an_answer_to_the_question_about_one_note_deletes_no_other(store: NoteStore) -> None:
    store.add(title="Another", body="", tags=[])
    person = Person(YES)
    with anyio.fail_after(20):
        async with Client(build_server(store), mode="2026-07-28", elicitation_callback=person) as client:
            asked = await client.session.call_tool("delete_note", {"id": 1}, allow_input_required=True)
            assert isinstance(asked, InputRequiredResult)
            with pytest.raises(MCPError, match="requestState"):
                await client.session.call_tool(
                    "delete_note",
                    {"id": 2},
                    input_responses={"confirm_deletion": YES},
                    request_state=asked.request_state,
                    allow_input_required=True,
                )
    assert store.get(2).title == "Another"
