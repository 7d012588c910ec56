"""The contract of adapters at the hub's boundary, over each of them."""

import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import anyio
import anyio.to_thread
import pytest
from jsonschema_rs import Draft202012Validator, meta

from hub.app.state_file import open_state_file
from hub.catalog.catalog import open_catalog
from hub.catalog.provider import Answer, Json, Provider, Questions
from hub.catalog.section import Section
from hub.errors import HubError, RemoteError, StaleAnswerError, UnknownNameError
from hub.gateway.relay import Relay
from hub.upstream import Surroundings, open_links
from tests.host.model_server import Gate, ModelServer
from tests.upstream.callers import Person, modern
from tests.wrapped.contract import CASES, AdapterCase, Cell, counted, subset
from tests.wrapped.environments import synced
from tests.wrapped.places import Place, Site, open_place

MARKER = "sk-MARKER"
INVALID_PARAMS = -32602
MISSING_CAPABILITY = -32021

Test = TypeVar("Test", bound=Callable[..., Any])
_CELLS: dict[str, Cell] = {}
"""The cell that each test is about, by the test's name."""


def about(cell: Cell) -> Callable[[Test], Test]:
    """Say which cell a test is about; it is not run for an adapter that declares that it lacks it."""

    def remember(test: Test) -> Test:
        _CELLS[test.__name__] = cell
        return test

    return remember


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cell = _CELLS.get(metafunc.function.__name__)
    if cell is not None:
        cases = [case for case in CASES if cell not in case.lacks]
        arguments = [pytest.param(case.environment, case, id=case.name) for case in cases]
        metafunc.parametrize(("place", "case"), arguments, indirect=["place"], scope="module")


def test_each_cell_has_tests_and_each_missing_one_a_reason() -> None:
    assert set(_CELLS.values()) == set(get_args(Cell))
    for case in CASES:
        assert set(case.lacks) <= set(get_args(Cell))
        assert all(case.lacks.values())
        assert (case.question is None) == ("questions" in case.lacks)


@pytest.fixture(scope="module")
async def site(model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    folder = tmp_path_factory.mktemp("contract")
    base = {"HOME": str(folder)}
    async with (
        open_links(base_env=base, seal_key=b"k" * 32, version="0") as links,
        open_state_file(folder / "hosted.sqlite3") as store,
    ):
        around = Surroundings(folder=folder, state=folder, links=links, store=store, log_path=folder / "host.log")

        def python(environment: str) -> Path:
            return Path(sys.executable) if environment == "functions" else synced(environment)

        yield Site(surroundings=around, model=model, python=python)


@pytest.fixture(scope="module")
async def place(request: pytest.FixtureRequest, site: Site) -> AsyncGenerator[Place]:
    async with open_place(request.param, site) as place:
        yield place


@pytest.fixture
async def provider(place: Place) -> AsyncGenerator[Provider]:
    async with place.open() as provider:
        yield provider


@pytest.fixture
def topic(case: AdapterCase, request: pytest.FixtureRequest) -> str:
    """A topic of this test alone."""
    return f"{request.node.originalname} {case.name}".replace("_", " ")


def asked_for(tool: str, arguments: Json, key: str | None = None, **more: Any) -> Json:
    params: Json = {"name": tool, "arguments": arguments, **more}
    return params if key is None else {**params, "_meta": {"hub/idempotencyKey": key}}


async def answer_to(provider: Provider, params: Json, caller: Person | None = None) -> Json:
    outcome = await provider.call(params, caller or modern())
    assert isinstance(outcome, Answer), outcome
    return outcome.body


async def result_of(provider: Provider, case: AdapterCase, topic: str, key: str | None = None) -> Json:
    body = await answer_to(provider, asked_for(case.tool, case.arguments(topic), key))
    assert body["isError"] is False, body
    return body["structuredContent"]


async def failure_of(provider: Provider, params: Json, caller: Person | None = None) -> tuple[str, bool, str]:
    """Code, whether to try again, and all that the caller is shown of a failure."""
    try:
        body = await answer_to(provider, params, caller)
    except HubError as error:
        return error.code, error.retryable, str(error)
    assert body["isError"] is True, body
    assert body["content"][0]["text"].startswith(f"{body['_meta']['hub/code']}: ")
    return body["_meta"]["hub/code"], body["_meta"]["hub/retryable"], str(body)


async def questions_of(provider: Provider, params: Json, caller: Person | None = None) -> tuple[str, Json, str]:
    """Key, question and state of a call that asks one."""
    outcome = await provider.call(params, caller or modern())
    assert isinstance(outcome, Questions), outcome
    ((key, question),) = outcome.body["inputRequests"].items()
    assert question["method"] == "elicitation/create"
    return key, question["params"], outcome.body["requestState"]


async def arrived(gate: Gate) -> None:
    assert await anyio.to_thread.run_sync(gate.arrived.wait, 60)


@about("schemas")
async def test_the_schemas_are_valid_and_wrong_arguments_never_reach_the_framework(
    case: AdapterCase, provider: Provider, model: ModelServer
) -> None:
    tools = {tool["name"]: tool for tool in await provider.list("tools")}
    schema = tools[case.tool]["inputSchema"]
    for each in (schema, tools[case.tool]["outputSchema"]):
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **each})
        assert each["type"] == "object"
    Draft202012Validator(schema).validate(case.arguments("a topic"))
    before = model.total
    for wrong in case.wrong:
        assert not Draft202012Validator(schema).is_valid(wrong)
        code, retryable, _ = await failure_of(provider, asked_for(case.tool, wrong))
        assert (code, retryable) == ("invalid_input", False)
    assert model.total == before


@about("results")
async def test_the_structured_result_fits_its_schema_and_each_model_call_is_made_once(
    case: AdapterCase, provider: Provider, model: ModelServer, topic: str
) -> None:
    tools = {tool["name"]: tool for tool in await provider.list("tools")}
    result = await result_of(provider, case, topic)
    Draft202012Validator(tools[case.tool]["outputSchema"]).validate(result)
    wanted = case.result(topic)
    assert subset(result, wanted) == wanted
    assert model.calls(topic) == counted(case.calls)


@about("names")
async def test_a_tool_that_is_not_there_is_refused(case: AdapterCase, provider: Provider) -> None:
    with pytest.raises((UnknownNameError, RemoteError)) as refused:
        await provider.call(asked_for("no_such_tool", {}), modern())
    assert getattr(refused.value, "rpc_code", INVALID_PARAMS) == INVALID_PARAMS


@about("progress")
async def test_progress_rises(case: AdapterCase, provider: Provider, topic: str) -> None:
    caller = modern()
    await answer_to(provider, asked_for(case.tool, case.arguments(topic)), caller)
    values = [report["progress"] for report in caller.reports]
    assert values
    assert values == sorted(set(values))
    assert all(report["message"] for report in caller.reports)


@about("cancel")
async def test_cancel_stops_the_work_within_one_model_call(
    case: AdapterCase, provider: Provider, model: ModelServer, topic: str
) -> None:
    gate = model.hold(case.held, topic)
    async with anyio.create_task_group() as calls:
        calls.start_soon(provider.call, asked_for(case.tool, case.arguments(topic)), modern())
        await arrived(gate)
        calls.cancel_scope.cancel()
    before = model.calls(topic).total()
    await result_of(provider, case, f"{topic} while it is held")
    gate.opened.set()
    await result_of(provider, case, f"{topic} after")
    assert model.calls(topic).total() == before


@about("callers")
async def test_fifty_callers_at_once_never_see_each_other(case: AdapterCase, provider: Provider, topic: str) -> None:
    found: dict[str, Json] = {}

    async def call(one: str) -> None:
        found[one] = await result_of(provider, case, one)

    async with anyio.create_task_group() as calls:
        for number in range(50):
            calls.start_soon(call, f"{topic} {number}")
    assert len(found) == 50
    for one, result in found.items():
        assert subset(result, case.result(one)) == case.result(one)


@about("one run")
async def test_the_same_key_twice_is_one_run(
    case: AdapterCase, provider: Provider, model: ModelServer, topic: str
) -> None:
    gate = model.hold(case.held, topic)
    results: list[Json] = []

    async def call() -> None:
        results.append(await result_of(provider, case, topic, key=topic))

    async with anyio.create_task_group() as calls:
        calls.start_soon(call)
        await arrived(gate)
        calls.start_soon(call)
        await result_of(provider, case, f"{topic} meanwhile")
        gate.opened.set()
    await call()
    assert results == [results[0]] * 3
    assert model.calls(topic) == counted(case.calls)


@about("other arguments")
async def test_a_key_with_other_arguments_is_refused(case: AdapterCase, provider: Provider, topic: str) -> None:
    await result_of(provider, case, topic, key=topic)
    other = asked_for(case.tool, case.arguments(f"{topic} other"), topic)
    code, retryable, _ = await failure_of(provider, other)
    assert (code, retryable) == ("invalid_input", False)


@about("failures")
async def test_a_failure_tells_its_code_and_never_its_text(case: AdapterCase, provider: Provider, topic: str) -> None:
    caller = modern()
    code, retryable, shown = await failure_of(provider, asked_for(case.failing, {"topic": topic}), caller)
    assert (code, retryable) == case.failure
    assert MARKER not in shown
    assert MARKER not in str(caller.reports)


@about("questions")
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_question_is_asked_and_answered(
    case: AdapterCase, provider: Provider, model: ModelServer, topic: str, era: str
) -> None:
    def answer(method: str, question: Json) -> Json:
        meta.validate(question["requestedSchema"])
        return case.asks.answer

    topic = f"{topic} {era}"
    caller = modern() if era == "modern" else Person(answer=answer)
    params = asked_for(case.asks.tool, case.asks.arguments(topic))
    async with open_catalog([]) as catalog:
        catalog.add(Section(provider=provider, prefix=""))
        relay = Relay(catalog)
        body = await relay.handle("tools/call", params, caller)
        if era == "modern":
            assert body["resultType"] == "input_required"
            ((key, question),) = body["inputRequests"].items()
            answers = {key: answer(question["method"], question["params"])}
            again = {**params, "inputResponses": answers, "requestState": body["requestState"]}
            body = await relay.handle("tools/call", again, caller)
    assert body["content"][0]["text"] == case.asks.answered(topic)
    assert len(caller.questions) == (0 if era == "modern" else 1)


@about("questions")
async def test_a_question_outlives_what_asked_it(
    case: AdapterCase, place: Place, model: ModelServer, topic: str
) -> None:
    params = asked_for(case.asks.tool, case.asks.arguments(topic), topic)
    async with place.open() as provider:
        key, question, state = await questions_of(provider, params)
    place.crash()
    answers = {"inputResponses": {key: case.asks.answer}, "requestState": state}
    async with place.open() as provider:
        again, same, _ = await questions_of(provider, params)
        assert (again, same) == (key, question)
        body = await answer_to(provider, {**params, **answers})
        assert body["content"][0]["text"] == case.asks.answered(topic)
        repeated = await answer_to(provider, {**params, "inputResponses": {key: {"action": "decline"}}})
        assert repeated["content"] == body["content"]
    for task, count in case.asks.before.items():
        assert model.calls(topic)[task] == count


@about("questions")
async def test_a_client_that_can_not_answer_is_told_so(case: AdapterCase, provider: Provider, topic: str) -> None:
    params = asked_for(case.asks.tool, case.asks.arguments(topic))
    with pytest.raises(RemoteError) as refused:
        await provider.call(params, modern(capabilities={}))
    assert refused.value.rpc_code == MISSING_CAPABILITY
    assert refused.value.data == {"requiredCapabilities": {"elicitation": {"form": {}}}}


@about("questions")
async def test_an_answer_to_no_question_is_stale(case: AdapterCase, provider: Provider, topic: str) -> None:
    answers: Json = {"no-such-question": case.asks.answer}
    params = asked_for(case.asks.tool, case.asks.arguments(topic), topic, inputResponses=answers)
    code, retryable, _ = await failure_of(provider, params)
    assert (code, retryable) == ("stale_answer", False)


@about("questions")
async def test_nobody_else_can_go_on_with_a_call(case: AdapterCase, provider: Provider, topic: str) -> None:
    params = asked_for(case.asks.tool, case.asks.arguments(topic))
    key, _, state = await questions_of(provider, params, modern(identity="ann"))
    again = {**params, "inputResponses": {key: case.asks.answer}, "requestState": state}
    with pytest.raises(StaleAnswerError):
        await provider.call(again, modern(identity="bob"))
    body = await answer_to(provider, again, modern(identity="ann"))
    assert body["content"][0]["text"] == case.asks.answered(topic)


@about("questions")
async def test_an_answer_that_does_not_fit_leaves_the_question_open(
    case: AdapterCase, provider: Provider, topic: str
) -> None:
    params = asked_for(case.asks.tool, case.asks.arguments(topic))
    key, question, state = await questions_of(provider, params)
    unfit = {name: ["no", "form", "field"] for name in question["requestedSchema"]["properties"]}
    again = {**params, "requestState": state, "inputResponses": {key: {"action": "accept", "content": unfit}}}
    assert (await failure_of(provider, again))[0] == "invalid_input"
    body = await answer_to(provider, {**again, "inputResponses": {key: case.asks.answer}})
    assert body["content"][0]["text"] == case.asks.answered(topic)
