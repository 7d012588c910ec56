"""What a worker that leaves waits for: the turns that follow from what it told Dapr."""

import pytest

from hub.workflows import due
from hub.workflows.due import Due
from hub.workflows.sdk import actions_pb, history_pb, orchestration_pb, service_pb


def response(*actions: actions_pb.WorkflowAction) -> service_pb.WorkflowResponse:
    return service_pb.WorkflowResponse(instanceId="run", actions=actions)


def child(run_id: str) -> actions_pb.WorkflowAction:
    return actions_pb.WorkflowAction(id=1, createChildWorkflow=actions_pb.CreateChildWorkflowAction(instanceId=run_id))


def complete(status: int = orchestration_pb.ORCHESTRATION_STATUS_COMPLETED) -> actions_pb.WorkflowAction:
    ended = actions_pb.CompleteWorkflowAction(workflowStatus=status)  # type: ignore[arg-type] - plain numbers do
    return actions_pb.WorkflowAction(id=-1, completeWorkflow=ended)


def started(parent: str = "", task_id: int = 0) -> history_pb.HistoryEvent:
    event = history_pb.HistoryEvent(executionStarted=history_pb.ExecutionStartedEvent(name="w"))
    if parent:
        event.executionStarted.parentInstance.workflowInstance.instanceId = parent
        event.executionStarted.parentInstance.taskScheduledId = task_id
    return event


def step_ended(task_id: int) -> history_pb.HistoryEvent:
    return history_pb.HistoryEvent(taskCompleted=history_pb.TaskCompletedEvent(taskScheduledId=task_id))


def test_a_steps_result_brings_a_turn() -> None:
    kept = Due()
    assert kept.wait_s() == 0
    kept.step_ended("run", 3)
    kept.step_ended("run", 4)
    kept.turn_arrived("run", [step_ended(3)])
    assert 0 < kept.wait_s() <= due.PATIENCE_S
    kept.turn_arrived("other", [step_ended(4)])
    assert kept.wait_s() > 0
    kept.turn_arrived("run", [step_ended(4)])
    assert kept.wait_s() == 0


def test_a_turn_that_is_handed_back_comes_once_more() -> None:
    kept = Due()
    kept.turn_arrived("run", [started("parent", 7), step_ended(3)])
    kept.turn_handed_back("run", [started("parent", 7), step_ended(3)])
    assert 0 < kept.wait_s() <= due.PATIENCE_S
    kept.turn_arrived("run", [started("parent", 7), step_ended(3)])
    assert kept.wait_s() == 0


def test_a_result_that_dapr_has_not_taken_brings_none() -> None:
    kept = Due()
    kept.step_ended("run", 3)
    kept.step_refused("run", 3)
    assert kept.wait_s() == 0


def test_a_child_brings_its_first_turn_and_its_end_one_of_its_parent() -> None:
    kept = Due()
    kept.turn_answered("run", [started()], response(child("run:1")))
    assert kept.wait_s() > 0
    kept.turn_arrived("run:1", [started("run", 7)])
    assert kept.wait_s() == 0
    kept.turn_answered("run:1", [started("run", 7)], response(complete()))
    assert kept.wait_s() > 0
    ended = history_pb.ChildWorkflowInstanceCompletedEvent(taskScheduledId=7)
    kept.turn_arrived("run", [history_pb.HistoryEvent(childWorkflowInstanceCompleted=ended)])
    assert kept.wait_s() == 0


def test_a_run_that_begins_anew_has_a_turn_and_one_that_ends_has_none() -> None:
    kept = Due()
    kept.turn_answered("run", [started()], response(complete()))
    assert kept.wait_s() == 0
    kept.turn_answered("run", [started()], response(complete(orchestration_pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW)))
    assert kept.wait_s() > 0


def test_runs_that_had_a_turn_and_go_on_are_told_once() -> None:
    kept = Due()
    kept.turn_answered("waits", [started()], response())
    kept.turn_answered("ended", [started()], response())
    kept.turn_answered("ended", [started()], response(complete()))
    assert kept.take_written() == ["waits"]
    assert kept.take_written() == []


def test_what_is_long_due_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Due()
    kept.step_ended("run", 3)
    kept.turn_answered("run", [started()], response())
    monkeypatch.setattr(due, "PATIENCE_S", -1)
    assert (kept.wait_s(), kept.take_written()) == (0, [])
