"""Which turns a worker hands back to Dapr, and which it answers."""

import time

import pytest

from hub.workflows import DaprConnection, crossing
from hub.workflows.crossing import Crossings, handed_back, is_known
from hub.workflows.sdk import Timestamp, actions_pb, history_pb, orchestration_pb, service_pb
from tests.sidecar.processes import DaprApi


def crossings_of(*, hands_back: bool = True) -> Crossings:
    crossings = Crossings()
    crossings.begin_stream(hands_back=hands_back)
    return crossings


def response(status: int | None = orchestration_pb.ORCHESTRATION_STATUS_COMPLETED) -> service_pb.WorkflowResponse:
    answer = service_pb.WorkflowResponse(instanceId="run:1")
    if status is not None:
        ended = actions_pb.CompleteWorkflowAction(workflowStatus=status)  # type: ignore[arg-type] - plain numbers do
        answer.actions.append(actions_pb.WorkflowAction(id=-1, completeWorkflow=ended))
    return answer


def beginning(*, parent: str = "run", age_s: float = 60) -> list[history_pb.HistoryEvent]:
    at = Timestamp()
    at.FromNanoseconds(int((time.time() - age_s) * 1e9))
    started = history_pb.HistoryEvent(timestamp=at, executionStarted=history_pb.ExecutionStartedEvent(name="w"))
    if parent:
        started.executionStarted.parentInstance.workflowInstance.instanceId = parent
    return [history_pb.HistoryEvent(workflowStarted=history_pb.WorkflowStartedEvent()), started]


@pytest.mark.parametrize(
    "status", [orchestration_pb.ORCHESTRATION_STATUS_COMPLETED, orchestration_pb.ORCHESTRATION_STATUS_FAILED]
)
def test_the_end_of_a_child_that_is_older_than_the_stream_is_handed_back_once(status: int) -> None:
    crossings = crossings_of()
    assert crossings.take("run:1", beginning(), response(status))
    assert not crossings.take("run:1", beginning(), response(status))
    assert crossings.take("run:2", beginning(), response(status))


def test_the_next_stream_hands_it_back_again() -> None:
    crossings = crossings_of()
    assert crossings.take("run:1", beginning(), response())
    crossings.begin_stream(hands_back=True)
    assert crossings.take("run:1", beginning(), response())


@pytest.mark.parametrize(
    ("parent", "age_s", "status"),
    [
        pytest.param("", 60, orchestration_pb.ORCHESTRATION_STATUS_COMPLETED, id="no child"),
        pytest.param("run", -1, orchestration_pb.ORCHESTRATION_STATUS_COMPLETED, id="a child of this stream"),
        pytest.param("run", 60, None, id="a turn in the middle"),
        pytest.param("run", 60, orchestration_pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, id="a child that goes on"),
    ],
)
def test_other_turns_are_answered(parent: str, age_s: float, status: int | None) -> None:
    assert not crossings_of().take("run:1", beginning(parent=parent, age_s=age_s), response(status))


def test_other_releases_of_dapr_are_handed_nothing_back() -> None:
    assert not crossings_of(hands_back=False).take("run:1", beginning(), response())


async def test_the_release_that_the_tests_run_on_is_known_and_the_embedded_sidecar_is_not(
    dapr_api: DaprApi, connection: DaprConnection
) -> None:
    assert await is_known(connection) is not dapr_api.is_embedded


def test_long_after_the_stream_began_none_is_handed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "CROSSES_FOR_S", -1.0)
    assert not crossings_of().take("run:1", beginning(), response())


def test_what_is_handed_back_names_its_run_and_is_an_action_of_a_kind_that_dapr_knows() -> None:
    answer = handed_back("run:1", "token")
    assert (answer.instanceId, answer.completionToken) == ("run:1", "token")
    assert [action.WhichOneof("workflowActionType") for action in answer.actions] == ["createDetachedWorkflow"]
    assert not answer.actions[0].createDetachedWorkflow.instanceId
