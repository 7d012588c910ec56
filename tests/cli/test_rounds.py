"""A call is taken to its end: through its questions and through its task."""

from collections.abc import Sequence

import anyio
import pytest

from hub.catalog.provider import Answer, Json, Outcome, Questions, TaskStarted, TaskVerb
from hub.cli.asking import Asker
from hub.cli.results import to_text
from hub.cli.rounds import run_to_end
from hub.cli.terminal import Terminal
from hub.errors import CallCancelledError, RemoteError

_QUESTION: Json = {"method": "elicitation/create", "params": {"message": "Sure?", "requestedSchema": {}}}
_PARAMS: Json = {"name": "t", "arguments": {"a": 1}}


class Scripted:
    """A catalogue that answers as it was told and keeps what it was asked."""

    def __init__(self, outcomes: Sequence[Outcome], tasks: Sequence[Json] = ()) -> None:
        self._outcomes, self._tasks = list(outcomes), list(tasks)
        self.asked: list[Json] = []
        self.polled = anyio.Event()

    async def call_tool(self, params: Json, caller: Terminal) -> Outcome:
        self.asked.append(params)
        return self._outcomes.pop(0)

    async def task(self, verb: TaskVerb, params: Json, caller: Terminal) -> Json:
        self.asked.append({"verb": verb, **params})
        self.polled.set()
        return self._tasks.pop(0) if verb == "get" else {}


async def run(catalog: Scripted, *typed: str) -> Json:
    lines = iter([f"{line}\n" for line in typed])
    asker = Asker(interactive=True, read_line=lambda: next(lines, ""))
    with anyio.fail_after(10):
        return await run_to_end(catalog, _PARAMS, Terminal(version="1", log_level=None, quiet=True), asker)


async def test_answers_go_back_with_the_state_that_came_with_the_questions() -> None:
    done: Json = {"content": []}
    catalog = Scripted(
        [
            Questions(body={"inputRequests": {"q": _QUESTION}, "requestState": "s1"}),
            Questions(body={"inputRequests": {"r": _QUESTION}}),
            Answer(body=done),
        ]
    )

    assert await run(catalog, "", "d") == done
    assert catalog.asked == [
        _PARAMS,
        {**_PARAMS, "inputResponses": {"q": {"action": "accept", "content": {}}}, "requestState": "s1"},
        {**_PARAMS, "inputResponses": {"r": {"action": "decline"}}},
    ]


async def test_a_task_is_polled_and_its_questions_are_answered_once() -> None:
    waiting: Json = {"taskId": "1", "status": "input_required", "inputRequests": {"q": _QUESTION}, "pollIntervalMs": 1}
    catalog = Scripted(
        [TaskStarted(body={"taskId": "1", "status": "working", "pollIntervalMs": 1})],
        [waiting, waiting, {"taskId": "1", "status": "completed", "result": {"content": [{"type": "text"}]}}],
    )

    assert await run(catalog, "") == {"content": [{"type": "text"}]}
    assert [asked.get("verb") for asked in catalog.asked] == [None, "get", "update", "get", "get"]
    assert catalog.asked[2]["inputResponses"] == {"q": {"action": "accept", "content": {}}}


async def test_a_task_that_failed_or_was_cancelled_is_an_error() -> None:
    failed: Json = {"taskId": "1", "status": "failed", "error": {"code": -32000, "message": "no \x1b[31mdisk"}}

    with pytest.raises(RemoteError, match="no disk"):
        await run(Scripted([TaskStarted(body=failed)]))
    with pytest.raises(CallCancelledError):
        await run(Scripted([TaskStarted(body={"taskId": "1", "status": "cancelled"})]))


async def test_a_call_that_is_interrupted_cancels_its_task() -> None:
    working: Json = {"taskId": "1", "status": "working", "pollIntervalMs": 1}
    catalog = Scripted([TaskStarted(body=working)], [working, {**working, "pollIntervalMs": 60_000}])

    async with anyio.create_task_group() as group:
        group.start_soon(run, catalog)
        with anyio.fail_after(10):
            await catalog.polled.wait()
        group.cancel_scope.cancel()

    assert catalog.asked[-1] == {"verb": "cancel", "taskId": "1"}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"content": [{"type": "text", "text": "a\x1b]0;t\x07b"}, {"type": "text", "text": "c"}]}, "ab\nc"),
        ({"content": [], "structuredContent": {"n": 1}}, '{\n  "n": 1\n}'),
        ({"content": [{"type": "text", "text": '{"n":1}'}], "structuredContent": {"n": 1}}, '{\n  "n": 1\n}'),
        ({"content": [{"type": "text", "text": "one"}], "structuredContent": {"n": 1}}, "one"),
        ({"content": [{"type": "image", "mimeType": "image/png", "data": "AAAA"}]}, "[image image/png: 3 bytes]"),
        ({"content": [{"type": "resource_link", "name": "n", "uri": "u://1"}]}, "[n: u://1]"),
        ({"content": [{"type": "resource", "resource": {"uri": "u://1", "text": "t"}}]}, "t"),
        ({"content": [{"type": "resource", "resource": {"uri": "u://1", "blob": "AAAA"}}]}, "[u://1: 3 bytes]"),
    ],
)
def test_a_result_is_written_as_people_read_it(result: Json, text: str) -> None:
    assert to_text(result) == text


async def test_progress_and_logs_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(version="1", log_level="info", quiet=False)

    await terminal.progress({"progress": 1, "total": 4, "message": "reading"})
    await terminal.log({"level": "debug", "data": "hidden"})
    await terminal.log({"level": "warning", "logger": "disk", "data": {"left": 0}})

    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "1 of 4 (25%) reading\n[warning] disk: {'left': 0}\n")
