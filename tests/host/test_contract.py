"""The contract of adapters on the host's own pipe, over each that the host runs."""

import threading
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand, Json, RawHost
from tests.wrapped.contract import CASES, AdapterCase, counted, subset

MARKER = "sk-MARKER"


@pytest.fixture(params=[case for case in CASES if case.is_hosted], ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> AdapterCase:
    return request.param


@pytest.fixture
def host(case: AdapterCase, hosts: dict[str, RawHost]) -> RawHost:
    return hosts[case.environment]


@pytest.fixture
def topic(case: AdapterCase, request: pytest.FixtureRequest) -> str:
    """A topic of this test alone."""
    return f"{request.node.originalname} {case.name}".replace("_", " ")


def test_the_schemas_are_valid_and_wrong_arguments_never_reach_the_framework(
    case: AdapterCase, host: RawHost, model: ModelServer
) -> None:
    tool = host.tools()[case.tool]
    for schema in (tool["inputSchema"], tool["outputSchema"]):
        meta.validate(schema)
        assert schema["type"] == "object"
    Draft202012Validator(tool["inputSchema"]).validate(case.arguments("a topic"))
    for wrong in case.wrong:
        assert not Draft202012Validator(tool["inputSchema"]).is_valid(wrong)
        refused = host.call(case.tool, wrong)
        assert refused["isError"] is True
        assert refused["_meta"]["hub/code"] == "invalid_input"
        assert refused["_meta"]["hub/retryable"] is False
        assert refused["content"][0]["text"].startswith("invalid_input: $")


def test_the_structured_result_fits_its_schema_and_each_model_call_is_made_once(
    case: AdapterCase, host: RawHost, model: ModelServer, topic: str
) -> None:
    answer = host.call(case.tool, case.arguments(topic))
    assert answer["isError"] is False
    Draft202012Validator(host.tools()[case.tool]["outputSchema"]).validate(answer["structuredContent"])
    wanted = case.result(topic)
    assert subset(answer["structuredContent"], wanted) == wanted
    assert model.calls(topic) == counted(case.calls)


def test_progress_rises(case: AdapterCase, host: RawHost, topic: str) -> None:
    pending = host.submit_call(case.tool, case.arguments(topic))
    pending.result()
    values = [one["progress"] for one in pending.progress]
    assert values == sorted(set(values))
    assert values
    assert all(one["message"] for one in pending.progress)


def test_cancel_stops_model_calls_within_one(case: AdapterCase, host: RawHost, model: ModelServer, topic: str) -> None:
    gate = model.hold(case.held, topic)
    pending = host.submit_call(case.tool, case.arguments(topic))
    assert gate.arrived.wait(30)
    before = model.calls(topic).total()
    host.cancel(pending)
    assert host.submit("ping", {"_meta": {}}).result() == {}
    gate.opened.set()
    other = f"{topic} other"
    assert host.call(case.tool, case.arguments(other))["isError"] is False
    assert model.calls(topic).total() == before
    assert not pending.future.done()


def test_fifty_callers_at_once_never_see_each_other(case: AdapterCase, host: RawHost, topic: str) -> None:
    topics = [f"{topic} {number}" for number in range(50)]
    pending = [host.submit_call(case.tool, case.arguments(one)) for one in topics]
    for one, waiting in zip(topics, pending, strict=True):
        wanted = case.result(one)
        assert subset(waiting.result()["structuredContent"], wanted) == wanted


def test_the_same_key_twice_is_one_run(case: AdapterCase, host: RawHost, model: ModelServer, topic: str) -> None:
    gate = model.hold(case.held, topic)
    first = host.submit_call(case.tool, case.arguments(topic), key=topic)
    assert gate.arrived.wait(30)
    second = host.submit_call(case.tool, case.arguments(topic), key=topic)
    assert host.submit("ping", {"_meta": {}}).result() == {}
    gate.opened.set()
    answers = [first.result(), second.result(), host.call(case.tool, case.arguments(topic), key=topic)]
    assert answers[0] == answers[1] == answers[2]
    assert model.calls(topic) == counted(case.calls)


def test_a_key_with_other_arguments_is_refused(case: AdapterCase, host: RawHost, topic: str) -> None:
    assert host.call(case.tool, case.arguments(topic), key=topic)["isError"] is False
    refused = host.call(case.tool, case.arguments(f"{topic} other"), key=topic)
    assert refused["_meta"]["hub/code"] == "invalid_input"


def test_a_failure_tells_its_code_and_never_its_text(case: AdapterCase, host: RawHost, topic: str) -> None:
    pending = host.submit_call(case.failing, {"topic": topic}, key=topic)
    reply = pending.reply()
    assert reply["result"]["isError"] is True
    assert reply["result"]["content"] == [{"type": "text", "text": f"internal: RuntimeError (run {topic})"}]
    assert MARKER not in str(reply)
    assert MARKER not in str(pending.progress)


def test_a_question_is_asked_and_answered_in_the_modern_era(
    case: AdapterCase, host: RawHost, model: ModelServer, topic: str
) -> None:
    asked = host.call(case.asks.tool, case.asks.arguments(topic))
    assert asked["resultType"] == "input_required"
    ((key, question),) = asked["inputRequests"].items()
    assert question["method"] == "elicitation/create"
    meta.validate(question["params"]["requestedSchema"])
    answered = host.call(
        case.asks.tool,
        case.asks.arguments(topic),
        answers={key: case.asks.answer},
        request_state=asked["requestState"],
    )
    assert answered["content"][0]["text"] == case.asks.answered(topic)


def test_a_question_is_asked_and_answered_in_the_legacy_era(
    case: AdapterCase, legacy_hosts: dict[str, RawHost], topic: str
) -> None:
    asked: list[Json] = []

    def answer(question: Json) -> Json:
        asked.append(question)
        return case.asks.answer

    host = legacy_hosts[case.environment]
    host.answer_question = answer
    result = host.call(case.asks.tool, case.asks.arguments(topic), modern=False)
    assert result["content"][0]["text"] == case.asks.answered(topic)
    assert "resultType" not in result
    assert len(asked) == 1


def test_a_question_outlives_the_host_that_asked_it(
    case: AdapterCase, commands: dict[str, HostCommand], model: ModelServer, topic: str
) -> None:
    state: dict[str, str] = {}
    command = commands[case.environment]
    apart = HostCommand(python=command.python, project=command.project, targets=command.targets, env=command.env)
    arguments = case.asks.arguments(topic)
    with apart.open(state=state) as host:
        asked = host.call(case.asks.tool, arguments, key=topic)
        host.kill()
    with apart.open(state=state) as host:
        again = host.call(case.asks.tool, arguments, key=topic)
        assert again["inputRequests"] == asked["inputRequests"]
        (key,) = asked["inputRequests"]
        answered = host.call(
            case.asks.tool, arguments, key=topic, answers={key: case.asks.answer}, request_state=asked["requestState"]
        )
        assert answered["content"][0]["text"] == case.asks.answered(topic)
        stale = host.call(case.asks.tool, arguments, key=topic, answers={key: {"action": "decline"}})
        assert stale["content"] == answered["content"]
    for task, count in case.asks.before.items():
        assert model.calls(topic)[task] == count


def test_a_client_that_cannot_answer_is_told_so(case: AdapterCase, host: RawHost, topic: str) -> None:
    pending = host.submit_call(case.asks.tool, case.asks.arguments(topic), can_answer=False)
    assert pending.reply()["error"] == {
        "code": -32021,
        "message": "The tool asks a question",
        "data": {"requiredCapabilities": {"elicitation": {"form": {}}}},
    }


def test_an_answer_to_no_question_is_stale(case: AdapterCase, host: RawHost, topic: str) -> None:
    answers: dict[str, Any] = {"no-such-question": case.asks.answer}
    refused = host.call(case.asks.tool, case.asks.arguments(topic), key=topic, answers=answers)
    assert refused["_meta"]["hub/code"] == "stale_answer"


def test_an_answer_that_does_not_fit_leaves_the_question_open(case: AdapterCase, host: RawHost, topic: str) -> None:
    arguments = case.asks.arguments(topic)
    asked = host.call(case.asks.tool, arguments)
    ((key, question),) = asked["inputRequests"].items()
    wrong = {name: ["no", "form", "field"] for name in question["params"]["requestedSchema"]["properties"]}
    state = asked["requestState"]
    answers: dict[str, Any] = {key: {"action": "accept", "content": wrong}}
    refused = host.call(case.asks.tool, arguments, answers=answers, request_state=state)
    assert refused["_meta"]["hub/code"] == "invalid_input"
    answered = host.call(case.asks.tool, arguments, answers={key: case.asks.answer}, request_state=state)
    assert answered["content"][0]["text"] == case.asks.answered(topic)


def test_a_legacy_call_that_is_cancelled_while_it_asks_leaves_nothing_behind(
    case: AdapterCase, legacy_hosts: dict[str, RawHost], topic: str
) -> None:
    asked = threading.Event()
    held = threading.Event()

    def wait(_: Json) -> Json:
        asked.set()
        return {"action": "cancel"} if held.wait(60) else {"action": "decline"}

    host = legacy_hosts[case.environment]
    host.answer_question = wait
    pending = host.submit_call(case.asks.tool, case.asks.arguments(topic), modern=False)
    assert asked.wait(60)
    host.cancel(pending)
    held.set()
    assert host.submit("ping").result() == {}
    assert not pending.future.done()
    host.answer_question = lambda _: case.asks.answer
    done = host.call(case.asks.tool, case.asks.arguments(f"{topic} after"), modern=False)
    assert done["isError"] is False


def test_nothing_but_messages_stood_on_standard_output(host: RawHost) -> None:
    assert host.process.poll() is None
    assert host.strange == []
