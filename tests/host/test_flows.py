"""What CrewAI's flows need beyond the contract."""

import json

import pytest

from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand, RawHost, accept


@pytest.fixture
def host(hosts: dict[str, RawHost]) -> RawHost:
    return hosts["crewai"]


def test_the_outcomes_of_a_review_are_offered_and_no_model_guesses_them(host: RawHost, model: ModelServer) -> None:
    asked = host.call("review_flow", {"topic": "outcomes"})
    ((key, question),) = asked["inputRequests"].items()
    assert question["params"] == {
        "mode": "form",
        "message": "Publish this draft?\n\ndraft about outcomes",
        "requestedSchema": {
            "type": "object",
            "properties": {
                "feedback": {"type": "string", "title": "Feedback"},
                "outcome": {"type": "string", "enum": ["approved", "rejected"], "title": "Outcome"},
            },
            "required": ["outcome"],
        },
    }
    done = host.call(
        "review_flow",
        {"topic": "outcomes"},
        answers={key: accept(outcome="approved", feedback="well done")},
        request_state=asked["requestState"],
    )
    assert done["structuredContent"]["result"] == {"published": True, "text": "draft about outcomes"}
    assert done["structuredContent"]["state"] == {
        "id": asked_run(asked["requestState"]),
        "topic": "outcomes",
        "tone": "plain",
        "draft": "draft about outcomes",
        "published": True,
    }
    assert model.calls("outcomes") == {"draft": 1}


def asked_run(state: str) -> str:
    return json.loads(state)["run"]


def test_the_state_without_its_id_is_the_input(host: RawHost) -> None:
    schema = host.tools()["review_flow"]["inputSchema"]
    assert list(schema["properties"]) == ["topic", "tone", "draft", "published"]
    assert schema["additionalProperties"] is False


def test_the_arguments_among_the_fields_may_be_named(commands: dict[str, HostCommand]) -> None:
    base = commands["crewai"]
    target = {"kind": "flow", "ref": "flows:ReviewFlow", "inputs": ["topic", "tone"], "name": "narrow"}
    command = HostCommand(python=base.python, project=base.project, targets=(json.dumps(target),), env=base.env)
    with command.open() as host:
        assert list(host.tools()["narrow"]["inputSchema"]["properties"]) == ["topic", "tone"]


def test_usage_of_the_crews_inside_is_counted(host: RawHost) -> None:
    answer = host.call("crew_flow", {"topic": "inside"})["structuredContent"]
    assert answer["usage"]["successful_requests"] == 6


def test_cancel_stops_a_crew_that_a_method_runs(host: RawHost, model: ModelServer) -> None:
    gate = model.hold("t1", "inner crew")
    pending = host.submit_call("crew_flow", {"topic": "inner crew"})
    assert gate.arrived.wait(30)
    host.cancel(pending)
    assert host.submit("ping").result() == {}
    gate.opened.set()
    assert host.call("crew_flow", {"topic": "inner after"})["isError"] is False
    assert model.calls("inner crew") == {"t0": 1, "t1": 1}


def test_who_declines_to_tell_a_name_is_greeted_without(host: RawHost) -> None:
    asked = host.call("ask_flow", {})
    (key,) = asked["inputRequests"]
    done = host.call("ask_flow", {}, answers={key: {"action": "decline"}}, request_state=asked["requestState"])
    assert done["structuredContent"]["result"] == "hello None"


def test_a_finished_flow_is_not_run_again(host: RawHost, model: ModelServer) -> None:
    first = host.call("crew_flow", {"topic": "finished"}, key="finished flow")
    again = host.call("crew_flow", {"topic": "finished"}, key="finished flow")
    assert first == again
    assert model.calls("finished").total() == 6


def test_a_review_inside_a_crew_that_blocks_its_thread_reaches_the_person(host: RawHost, model: ModelServer) -> None:
    arguments = {"topic": "blocked"}
    first = host.call("reviewed_crew_flow", arguments)
    (key,) = first["inputRequests"]
    state = first["requestState"]
    second = host.call("reviewed_crew_flow", arguments, answers={key: accept(feedback="more")}, request_state=state)
    (again,) = second["inputRequests"]
    done = host.call("reviewed_crew_flow", arguments, answers={again: accept(feedback="")}, request_state=state)
    assert done["structuredContent"]["result"] == "final about blocked"
    assert model.calls("blocked") == {"draft": 1, "final": 2}
