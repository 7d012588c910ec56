"""What CrewAI's crews need beyond the contract."""

from pathlib import Path

import pytest

from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand, RawHost, accept

USAGE = {
    "total_tokens": 45,
    "prompt_tokens": 30,
    "cached_prompt_tokens": 0,
    "completion_tokens": 15,
    "reasoning_tokens": 0,
    "cache_creation_tokens": 0,
    "successful_requests": 3,
}


@pytest.fixture
def host(hosts: dict[str, RawHost]) -> RawHost:
    return hosts["crewai"]


def test_usage_counts_a_model_that_two_agents_share_once(host: RawHost) -> None:
    answer = host.call("report", {"topic": "usage", "audience": "kids"})["structuredContent"]
    assert answer["usage"] == USAGE
    assert answer["tasks"] == [
        {"name": "research", "agent": "usage researcher", "output": "research about usage"},
        {"name": "write", "agent": "writer", "output": '{"topic":"usage","words":1,"summary":"on usage"}'},
    ]
    assert answer["tool_failures"] == []


def test_a_class_as_the_template_writes_it_may_fill_in_inputs_itself(host: RawHost, model: ModelServer) -> None:
    tool = host.tools()["class_crew"]
    assert tool["description"] == "A crew as crewai's own template writes it."
    assert tool["inputSchema"] == {
        "type": "object",
        "properties": {"topic": {"type": "string"}, "current_year": {"type": "string"}},
        "required": [],
        "additionalProperties": True,
    }
    assert host.call("class_crew", {"topic": "class"})["structuredContent"]["result"] == "only about class"


def test_a_template_variable_that_nothing_fills_is_named(host: RawHost) -> None:
    refused = host.call("class_crew", {})
    assert refused["content"][0]["text"] == "invalid_input: no argument fills the template variable `topic`"


def test_two_calls_of_a_class_make_two_crews(host: RawHost) -> None:
    pending = [host.submit_call("class_crew", {"topic": f"memo {number}"}) for number in range(10)]
    results = [one.result()["structuredContent"]["result"] for one in pending]
    assert results == [f"only about memo {number}" for number in range(10)]


def test_a_manager_hands_work_to_others(host: RawHost, model: ModelServer) -> None:
    answer = host.call("led", {"topic": "led"})
    assert answer["structuredContent"]["result"] == "led about led"
    assert model.calls("led") == {"led": 2, "handed": 1}


def test_cancel_stops_the_models_of_those_whom_a_manager_asked(host: RawHost, model: ModelServer) -> None:
    gate = model.hold("handed", "led away")
    pending = host.submit_call("led", {"topic": "led away"})
    assert gate.arrived.wait(30)
    host.cancel(pending)
    assert host.submit("ping").result() == {}
    gate.opened.set()
    assert host.call("led", {"topic": "led after"})["isError"] is False
    assert model.calls("led away") == {"led": 1, "handed": 1}


def test_a_conditional_task_that_was_skipped_stays_skipped_in_a_retry(
    commands: dict[str, HostCommand], model: ModelServer
) -> None:
    gate = model.hold("last", "skipped")
    with commands["crewai"].open() as host:
        host.submit_call("conditional", {"topic": "skipped"}, key="skipped")
        assert gate.arrived.wait(60)
        host.kill()
        gate.opened.set()
    with commands["crewai"].open() as host:
        answer = host.call("conditional", {"topic": "skipped"}, key="skipped")["structuredContent"]
    assert [task["output"] for task in answer["tasks"]] == ["first about skipped", "", "last about skipped"]
    assert model.calls("skipped") == {"first": 1, "last": 2}
    assert answer["usage"]["successful_requests"] == 2


def test_tasks_that_ran_at_the_same_time_are_not_run_again(
    commands: dict[str, HostCommand], model: ModelServer
) -> None:
    gate = model.hold("both", "parallel")
    with commands["crewai"].open() as host:
        host.submit_call("parallel", {"topic": "parallel"}, key="parallel")
        assert gate.arrived.wait(60)
        host.kill()
        gate.opened.set()
    with commands["crewai"].open() as host:
        answer = host.call("parallel", {"topic": "parallel"}, key="parallel")["structuredContent"]
    assert [task["name"] for task in answer["tasks"]] == ["left", "right", "both"]
    assert model.calls("parallel") == {"left": 1, "right": 1, "both": 2}
    assert answer["usage"]["successful_requests"] == 3


def test_feedback_goes_round_until_it_is_empty(host: RawHost, model: ModelServer) -> None:
    arguments = {"topic": "rounds"}
    first = host.call("reviewed", arguments)
    ((key, question),) = first["inputRequests"].items()
    assert question["params"]["message"] == "Review the result of the task 'final':\n\nfinal about rounds"
    state = first["requestState"]
    second = host.call("reviewed", arguments, answers={key: accept(feedback="longer")}, request_state=state)
    (again,) = second["inputRequests"]
    assert again != key
    done = host.call("reviewed", arguments, answers={again: accept(feedback="")}, request_state=state)
    assert done["structuredContent"]["result"] == "final about rounds"
    assert model.calls("rounds") == {"draft": 1, "final": 2}


def test_a_reviewer_may_decline(host: RawHost, model: ModelServer) -> None:
    asked = host.call("reviewed", {"topic": "declined"})
    (key,) = asked["inputRequests"]
    refused = host.call(
        "reviewed", {"topic": "declined"}, answers={key: {"action": "decline"}}, request_state=asked["requestState"]
    )
    assert refused["content"][0]["text"] == "declined: the reviewer declined"
    assert model.calls("declined") == {"draft": 1, "final": 1}


def test_a_guardrail_that_nothing_passes_has_its_code(host: RawHost) -> None:
    refused = host.call("guarded", {"topic": "guarded"})
    assert refused["content"][0]["text"] == "guardrail: a task's output was refused by its guardrail, again and again"


def test_prints_programs_and_prompts_of_a_tool_stay_off_the_wire(host: RawHost) -> None:
    assert host.call("noisy", {"topic": "loud"})["structuredContent"]["result"] == "noisy about loud"
    assert host.strange == []
    assert host.has_logged("noise of a child")


def test_an_object_and_a_declaration_are_crews_too(commands: dict[str, HostCommand], tmp_path: Path) -> None:
    base = commands["crewai"]
    targets = ("auto:crews:ready_crew", "crew:declared/crew.jsonc")
    command = HostCommand(python=base.python, project=base.project, targets=targets, env=base.env)
    with command.open() as host:
        tools = host.tools()
        pending = [host.submit_call("six", {"topic": f"object {number}"}) for number in range(5)]
        results = [one.result()["structuredContent"]["result"] for one in pending]
    assert results == [f"t5 about object {number}" for number in range(5)]
    assert tools["declared"]["inputSchema"] == {
        "type": "object",
        "properties": {"topic": {"type": "string"}, "words": {"type": "integer", "default": 7}},
        "required": ["topic"],
        "additionalProperties": False,
    }
