"""What LangGraph's graphs need beyond the contract."""

from pathlib import Path

import pytest

from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand, RawHost, accept


@pytest.fixture
def host(hosts: dict[str, RawHost]) -> RawHost:
    return hosts["langgraph"]


def _ask(text: str) -> dict[str, list[dict[str, str]]]:
    return {"messages": [{"role": "user", "content": text}]}


def test_a_chat_is_slim_on_both_sides(host: RawHost) -> None:
    tool = host.tools()["adder"]
    assert len(str(tool["inputSchema"])) < 600
    answer = host.call("adder", _ask("2+40?"))
    assert answer["content"] == [{"type": "text", "text": "The answer is 42."}]
    assert answer["structuredContent"] == {
        "messages": [
            {"role": "user", "content": "2+40?"},
            {"role": "tool", "content": "42"},
            {"role": "assistant", "content": "The answer is 42."},
        ]
    }


def test_a_thread_remembers_and_a_retry_adds_nothing(host: RawHost, model: ModelServer) -> None:
    first = host.call("adder", _ask("one"), key="thread 1", thread="T")
    second = host.call("adder", _ask("two"), key="thread 2", thread="T")
    again = host.call("adder", _ask("two"), key="thread 2", thread="T")
    other = host.call("adder", _ask("three"), thread="U")
    counts = [len(answer["structuredContent"]["messages"]) for answer in (first, second, again, other)]
    assert counts == [3, 6, 6, 3]
    assert second["_meta"]["hub/thread"] == "T"


def test_a_thread_outlives_the_process(commands: dict[str, HostCommand]) -> None:
    for number, count in ((1, 3), (2, 6)):
        with commands["langgraph"].open() as host:
            answer = host.call("adder", _ask(f"turn {number}"), thread="long")
            assert len(answer["structuredContent"]["messages"]) == count


def test_calls_on_one_thread_follow_each_other(host: RawHost) -> None:
    pending = [host.submit_call("adder", _ask(f"at once {number}"), thread="queue") for number in range(5)]
    counts = sorted(len(one.result()["structuredContent"]["messages"]) for one in pending)
    assert counts == [3, 6, 9, 12, 15]


def test_static_context_is_checked_and_given(host: RawHost) -> None:
    arguments = {"topic": "sun", "depth": 1}
    assert host.call("research", arguments, context={"user": "ann"})["structuredContent"] == {
        "report": "sun for ann",
        "steps": 1,
    }
    refused = host.call("research", arguments, context={"user": 5})
    assert refused["content"][0]["text"] == "invalid_input: context: $.user: expected string"
    unwanted = host.call("eight", {"topic": "x"}, context={"user": "ann"})
    assert unwanted["_meta"]["hub/code"] == "invalid_input"


def test_what_a_node_tells_stands_between_the_steps(host: RawHost) -> None:
    pending = host.submit_call("research", {"topic": "sun", "depth": 2})
    pending.result()
    assert [(round(one["progress"], 2), one["message"]) for one in pending.progress] == [
        (1, "node gather"),
        (1.33, "note 1"),
        (1.67, "note 2"),
        (2, "node write_up"),
    ]


def test_an_endless_graph_meets_its_step_limit(host: RawHost) -> None:
    refused = host.call("endless", {"topic": "x"})
    assert refused["content"][0]["text"] == "step_limit: the graph did not end within 100 steps"


def test_an_interrupt_asks_with_its_own_schema(host: RawHost) -> None:
    asked = host.call("payment", {"amount": 7})
    ((_, question),) = asked["inputRequests"].items()
    assert question["params"] == {
        "mode": "form",
        "message": "Pay 7?",
        "requestedSchema": {
            "type": "object",
            "properties": {
                "approved": {"title": "Approved", "type": "boolean"},
                "note": {"title": "Note", "type": "string"},
            },
            "required": ["approved"],
        },
    }


def test_a_question_that_was_declined_reaches_the_graph_as_that(host: RawHost) -> None:
    asked = host.call("two_questions", {"topic": "x"})
    answers = {key: {"action": "decline"} for key in asked["inputRequests"]}
    done = host.call("two_questions", {"topic": "x"}, answers=answers, request_state=asked["requestState"])
    assert done["structuredContent"]["notes"] == ["left: {'action': 'decline'}", "right: {'action': 'decline'}"]


def test_two_branches_ask_at_once_and_are_answered_one_by_one(host: RawHost) -> None:
    asked = host.call("two_questions", {"topic": "x"})
    questions = {request["params"]["message"]: key for key, request in asked["inputRequests"].items()}
    assert sorted(questions) == ["What of left?", "What of right?"]
    right = {questions["What of right?"]: accept(value="R")}
    state = asked["requestState"]
    rest = host.call("two_questions", {"topic": "x"}, answers=right, request_state=state)
    assert list(rest["inputRequests"]) == [questions["What of left?"]]
    left = {questions["What of left?"]: accept(value="L")}
    done = host.call("two_questions", {"topic": "x"}, answers=left, request_state=state)
    assert done["structuredContent"]["notes"] == ["left: L", "right: R"]


def test_an_answer_to_a_question_that_new_input_dropped_is_stale(host: RawHost) -> None:
    asked = host.call("payment", {"amount": 1}, key="dropped 1", thread="dropped")
    (key,) = asked["inputRequests"]
    host.call("payment", {"amount": 2}, key="dropped 2", thread="dropped")
    late = host.call("payment", {"amount": 1}, key="dropped 1", thread="dropped", answers={key: accept(approved=True)})
    assert late["_meta"]["hub/code"] == "stale_answer"


def test_a_graph_inside_a_blocking_node_uses_the_same_checkpoints(host: RawHost, model: ModelServer) -> None:
    answer = host.call("nested", {"topic": "inner"}, key="inner")
    assert answer["structuredContent"]["trail"] == [f"n{place} about inner" for place in range(8)]


def test_cancel_stops_the_model_calls_of_a_blocking_node(host: RawHost, model: ModelServer) -> None:
    gate = model.hold("chat", "loop 3")
    pending = host.submit_call("chatty", {"topic": "loop"})
    assert gate.arrived.wait(30)
    host.cancel(pending)
    assert host.submit("ping").result() == {}
    gate.opened.set()
    assert host.call("chatty", {"topic": "other"})["isError"] is False
    assert [model.calls(f"loop {place}").total() for place in range(6)] == [1, 1, 1, 1, 0, 0]


def test_a_langgraph_project_offers_its_graphs_by_their_names(commands: dict[str, HostCommand], tmp_path: Path) -> None:
    base = commands["langgraph"]
    for target, names in (("graph:langgraph.json", ["eight", "pay"]), ("graph:langgraph.json:pay", ["pay"])):
        command = HostCommand(python=base.python, project=base.project, targets=(target,), env=base.env)
        with command.open() as host:
            assert list(host.tools()) == names
