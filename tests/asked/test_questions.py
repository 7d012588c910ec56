"""A question is stored before it is asked, answered once, and its answer is stored before it is acted on."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from hub.errors import HubError, InvalidInputError, StaleAnswerError, UnknownNameError
from hub.questions import QuestionRecord, Questions, keep_redelivering
from hub.questions.record import to_json
from hub.workflows import (
    DaprAddress,
    DaprConnection,
    Functions,
    RunEvent,
    RunFailedError,
    Runs,
    RunState,
    Workflow,
    open_connection,
    open_worker,
)
from hub.workflows.question import MOST_CARRIED_BYTES, PUT_STEP, answered_event
from hub.workflows.state import Save, StateStore
from tests.asked import asking_flows
from tests.asked.asking_flows import NAME_SCHEMA, acted_on, build_functions
from tests.sidecar.processes import running_sidecar

ACCEPT: dict[str, Any] = {"action": "accept", "content": {"name": "Ann", "age": 7}}


async def until_asked(runs: Runs, questions: Questions, run_id: str, count: int = 1) -> Sequence[QuestionRecord]:
    """The open questions of a run, once it waits on so many."""
    with anyio.fail_after(20):
        async for each in runs.events(run_id):
            if isinstance(each, RunState) and len(each.asking) == count:
                return await questions.list(run_id=run_id)
    raise AssertionError(f"{run_id} never asked")


async def start_and_ask(
    runs: Runs, questions: Questions, run_id: str, workflow: Workflow[..., Any], **arguments: object
) -> QuestionRecord:
    await runs.start(workflow, arguments, run_id=run_id, meta={"identity": f"id of {run_id}"})
    return (await until_asked(runs, questions, run_id))[0]


async def test_a_question_waits_is_answered_and_its_run_goes_on(questions: Questions, runs: Runs, run_id: str) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    assert (asked.run_id, asked.status, asked.question.message) == (run_id, "open", "Who are you?")
    assert asked.question.params["requestedSchema"] == NAME_SCHEMA
    assert asked.identity == f"id of {run_id}"
    await questions.answer(asked.id, ACCEPT, digest=asked.digest)
    assert await runs.result(run_id, timeout_s=10) == ["accept", True, {"name": "Ann", "age": 7}]
    assert await questions.list(run_id=run_id) == []
    ended = await questions.get(asked.id)
    assert (ended.status, ended.result) == ("used", ACCEPT)
    assert acted_on[run_id] == 1


async def test_an_answer_counts_once(questions: Questions, runs: Runs, run_id: str) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    errors: list[HubError] = []

    async def answer(name: str) -> None:
        try:
            await questions.answer(asked.id, {"action": "accept", "content": {"name": name}})
        except StaleAnswerError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for name in ("Ann", "Ben", "Cid", "Dot"):
            group.start_soon(answer, name)
    result = await runs.result(run_id, timeout_s=10)
    assert result[2]["name"] in ("Ann", "Ben", "Cid", "Dot")
    assert len(errors) == 3
    assert acted_on[run_id] == 1
    with pytest.raises(StaleAnswerError, match="is used: the answer comes too late"):
        await questions.answer(asked.id, {"action": "decline"})


async def test_an_answer_to_something_else_is_stale(questions: Questions, runs: Runs, run_id: str) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    with pytest.raises(StaleAnswerError, match="asks something else by now"):
        await questions.answer(asked.id, ACCEPT, digest="0" * 64)
    assert (await questions.get(asked.id)).status == "open"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"action": "perhaps"}, "expected the action accept, decline or cancel, not 'perhaps'"),
        ({}, "expected the action accept, decline or cancel, not None"),
        ({"action": "accept", "content": {"name": 7}}, 'name: 7 is not of type "string"'),
        ({"action": "accept"}, '"name" is a required property'),
        ({"action": "accept", "content": []}, "expected `content` to be an object"),
    ],
)
async def test_an_answer_that_does_not_fit_says_where(
    questions: Questions, runs: Runs, run_id: str, answer: dict[str, Any], message: str
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    with pytest.raises(InvalidInputError) as refused:
        await questions.answer(asked.id, answer)
    assert message in str(refused.value)
    await runs.cancel(run_id)


async def test_a_question_may_be_declined(questions: Questions, runs: Runs, run_id: str) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    await questions.answer(asked.id, {"action": "decline"})
    assert await runs.result(run_id, timeout_s=10) == ["decline", False, {}]


async def test_the_same_words_asked_twice_are_two_questions(questions: Questions, runs: Runs, run_id: str) -> None:
    first = await start_and_ask(runs, questions, run_id, asking_flows.asks_twice)
    await questions.answer(first.id, {"action": "accept", "content": {}})
    with anyio.fail_after(10):
        async for each in runs.events(run_id):
            if isinstance(each, RunState) and each.asking and each.asking[0] != first.id:
                break
    second = (await questions.list(run_id=run_id))[0]
    assert second.digest == first.digest
    await questions.answer(second.id, {"action": "cancel"})
    assert await runs.result(run_id, timeout_s=10) == ["accept", "cancel"]


async def test_many_questions_wait_at_once(questions: Questions, runs: Runs, run_id: str) -> None:
    await runs.start(asking_flows.asks_many, {"count": 20}, run_id=run_id)
    waiting = await until_asked(runs, questions, run_id, 20)
    assert len({each.id for each in waiting}) == 20
    accept: dict[str, Any] = {"action": "accept", "content": {}}
    async with anyio.create_task_group() as group:
        for each in waiting:
            group.start_soon(questions.answer, each.id, accept)
    assert await runs.result(run_id, timeout_s=20) == ["accept"] * 20
    assert await questions.list(run_id=run_id) == []


async def test_a_question_without_an_answer_in_time_is_closed(questions: Questions, runs: Runs, run_id: str) -> None:
    await runs.start(asking_flows.asks_for_a_while, {"timeout_s": 0.3}, run_id=run_id)
    assert await runs.result(run_id, timeout_s=10) == "no answer to 'Quick?' within 0.3 s"
    [put] = [each for each in await runs.history(run_id) if (each.kind, each.name) == ("taskScheduled", PUT_STEP)]
    with pytest.raises(StaleAnswerError, match="is closed: the answer comes too late"):
        await questions.answer(put.value["question"]["id"], {"action": "accept", "content": {}})


async def test_a_question_that_loses_a_race_is_closed(questions: Questions, runs: Runs, run_id: str) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_in_a_race)
    await runs.send(run_id, "enough")
    with anyio.fail_after(10):
        async for each in runs.events(run_id):
            if isinstance(each, RunState) and each.shown.get("status") == "gave up":
                break
    await runs.send(run_id, "end")
    assert await runs.result(run_id, timeout_s=10) == [1, None]
    assert (await questions.get(asked.id)).status == "closed"


async def test_the_question_of_a_cancelled_run_is_neither_listed_nor_answered(
    questions: Questions, runs: Runs, run_id: str
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    await runs.cancel(run_id)
    with pytest.raises(StaleAnswerError, match=f"its run {run_id} is over"):
        await questions.answer(asked.id, ACCEPT)
    assert await questions.list(run_id=run_id) == []
    assert (await questions.get(asked.id)).status == "closed"


async def test_an_answer_that_ends_its_run_at_once_is_no_late_one(
    questions: Questions, runs: Runs, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    send = Runs.send

    async def send_and_see_the_end(self: Runs, run_id: str, name: str, data: object = None) -> None:
        await send(self, run_id, name, data)
        await self.wait(run_id, timeout_s=10)

    monkeypatch.setattr(Runs, "send", send_and_see_the_end)
    await questions.answer(asked.id, ACCEPT, digest=asked.digest)
    assert (await runs.result(run_id, timeout_s=10))[0] == "accept"
    assert (await questions.get(asked.id)).status == "used"


async def test_questions_are_seen_by_their_own_identity_only(questions: Questions, runs: Runs, run_id: str) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    assert [each.id for each in await questions.list(identity=f"id of {run_id}")] == [asked.id]
    assert asked.id not in [each.id for each in await questions.list(identity="somebody else")]
    await runs.cancel(run_id)


async def test_another_kind_of_request_takes_its_own_kind_of_result(
    questions: Questions, runs: Runs, run_id: str
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_a_model)
    result = {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"}
    await questions.answer(asked.id, result)
    assert await runs.result(run_id, timeout_s=10) == [None, result]


async def test_a_question_that_is_not_there_is_an_unknown_name(questions: Questions) -> None:
    with pytest.raises(UnknownNameError, match="there is no question 0"):
        await questions.answer("0", ACCEPT)


async def answer_and_die(connection: DaprConnection, asked: QuestionRecord, *, ago_s: float = 0) -> None:
    """What is left when the answering process dies after it has stored the answer."""
    when = datetime.now(UTC) - timedelta(seconds=ago_s)
    stored = {**to_json(asked), "status": "answered", "result": ACCEPT, "answered_at": when.isoformat()}
    await StateStore(connection).save(Save(key=f"hub-question-{asked.id}", value=stored))


async def test_an_answer_whose_run_was_never_told_is_delivered_later(
    questions: Questions, connection: DaprConnection, runs: Runs, run_id: str
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    await answer_and_die(connection, asked)
    assert await questions.redeliver(older_than_s=60) == 0, "who gave it may be telling it"
    assert await questions.redeliver() == 1
    assert (await runs.result(run_id, timeout_s=10))[0] == "accept"


async def test_who_lists_questions_tells_runs_of_their_answers(
    questions: Questions, connection: DaprConnection, runs: Runs, run_id: str
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    await answer_and_die(connection, asked, ago_s=60)
    assert asked.id not in {each.id for each in await questions.list()}
    assert (await runs.result(run_id, timeout_s=10))[0] == "accept"


async def test_runs_are_told_from_time_to_time(
    questions: Questions, connection: DaprConnection, runs: Runs, run_id: str
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(keep_redelivering, questions, every_s=0.05))
        for _ in range(3):
            await questions.list()
        await answer_and_die(connection, asked)
        assert (await runs.result(run_id, timeout_s=10))[0] == "accept"
        group.cancel_scope.cancel()


@pytest.mark.parametrize("said", [{}, {"digest": "0" * 64}], ids=["no digest", "the digest of another question"])
async def test_an_event_that_is_not_bound_to_the_question_is_not_believed(
    questions: Questions, runs: Runs, run_id: str, said: dict[str, Any]
) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    await runs.send(run_id, answered_event(asked.id), {**said, "result": ACCEPT})
    with anyio.fail_after(10):
        async for each in runs.events(run_id):
            if isinstance(each, RunEvent) and each.kind == "taskCompleted" and len(await looks(runs, run_id)) == 1:
                break
    assert acted_on[run_id] == 0
    await questions.answer(asked.id, ACCEPT)
    assert (await runs.result(run_id, timeout_s=10))[0] == "accept"
    assert len(await looks(runs, run_id)) == 1


async def test_an_answer_comes_with_its_event_and_a_large_one_out_of_the_store(
    questions: Questions, runs: Runs, run_id: str
) -> None:
    for number, (text, expected) in enumerate([("hi", 0), ("x" * MOST_CARRIED_BYTES, 1)]):
        one = f"{run_id}-{number}"
        asked = await start_and_ask(runs, questions, one, asking_flows.asks_a_model)
        result = {"role": "assistant", "content": {"type": "text", "text": text}, "model": "m"}
        await questions.answer(asked.id, result)
        assert await runs.result(one, timeout_s=10) == [None, result]
        assert len(await looks(runs, one)) == expected
        assert (await questions.get(asked.id)).status == "used"


async def test_the_same_answer_again_does_no_harm(questions: Questions, runs: Runs, run_id: str) -> None:
    asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
    for _ in range(2):
        await questions.answer(asked.id, ACCEPT)
    assert (await runs.result(run_id, timeout_s=10))[0] == "accept"
    await questions.answer(asked.id, ACCEPT)
    assert acted_on[run_id] == 1


async def looks(runs: Runs, run_id: str) -> list[RunEvent]:
    """The steps in which the run looked for its answer."""
    return [each for each in await runs.history(run_id) if each.name == "hub.questions.take"]


async def test_a_worker_without_a_store_cannot_ask(tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "own.db") as sidecar:
        address = DaprAddress(grpc_port=sidecar.api.grpc_port)
        worker = Functions([asking_flows.asks_twice])
        async with open_connection(address) as connection, open_worker(connection, worker):
            with pytest.raises(RunFailedError, match=r"this worker has no step 'hub\.questions\.put'"):
                await Runs(connection).run(asking_flows.asks_twice, timeout_s=10)


async def test_an_answer_given_while_no_worker_runs_is_taken_by_the_next_one(tmp_path: Path, run_id: str) -> None:
    with running_sidecar(tmp_path / "own.db") as sidecar:
        async with open_connection(DaprAddress(grpc_port=sidecar.api.grpc_port)) as connection:
            questions, runs = Questions(connection), Runs(connection)
            async with open_worker(connection, build_functions(questions)):
                asked = await start_and_ask(runs, questions, run_id, asking_flows.asks_name)
            await questions.answer(asked.id, ACCEPT)
            async with open_worker(connection, build_functions(questions)):
                assert (await runs.result(run_id, timeout_s=10))[0] == "accept"
    assert acted_on[run_id] == 1
