"""Runs: steps, timers, retries, children, events, versions."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import dapr.ext.workflow as wf
import grpc
import pytest

from tests.sidecar.scenario import TIMEOUT_S, Scenario, new_id, output_of, wait_until
from tests.sidecar.workflows import GATE

Status = wf.WorkflowStatus


def test_steps_run_in_order_and_the_status_text_stays(scenario: Scenario) -> None:
    state = scenario.run("chain", 1)
    assert (state.runtime_status, output_of(state), state.serialized_custom_status) == (
        Status.COMPLETED,
        {"result": 3},
        "both done",
    )


def test_sixty_asynchronous_steps_run_side_by_side(scenario: Scenario) -> None:
    assert scenario.output("fan_out", 60) == sum(range(60))


def test_results_of_parallel_steps_keep_their_order(scenario: Scenario) -> None:
    assert scenario.output("wide", list(range(100))) == list(range(100))


def test_one_failed_parallel_step_fails_the_group(scenario: Scenario) -> None:
    assert scenario.output("wide_with_failure", new_id()) == "KeyError"


def test_a_timer_fires_not_before_its_time(scenario: Scenario) -> None:
    assert scenario.output("short_timer") is True


def test_a_timer_far_away_does_not_hold_up_a_near_one(scenario: Scenario) -> None:
    assert scenario.output("two_timers") == "soon"


def test_a_failing_step_is_tried_again(scenario: Scenario) -> None:
    assert scenario.output("retried", new_id()) == 3


def test_a_step_that_always_fails_fails_the_run(scenario: Scenario) -> None:
    key = new_id()
    state = scenario.run("exhausted", key)
    assert state.failure_details is not None
    assert (state.runtime_status, GATE.counts[key], state.failure_details.error_type) == (
        Status.FAILED,
        2,
        "TaskFailedError",
    )


def test_a_run_can_catch_the_failure_of_a_step(scenario: Scenario) -> None:
    assert scenario.output("catching", new_id()) == ["KeyError", "'no such thing'"]


def test_children_run_under_their_own_or_a_given_id(scenario: Scenario) -> None:
    run_id = new_id()
    assert scenario.output("parent", 5, run_id) == [15, 16]
    assert output_of(scenario.finish(f"{run_id}-named")) == 16


def test_children_of_children_run(scenario: Scenario) -> None:
    assert scenario.output("grandparent", 1) == [11, 12]


def test_a_parent_can_catch_the_failure_of_a_child(scenario: Scenario) -> None:
    assert scenario.output("catching_parent") == ["RuntimeError", "the child fails"]


def test_a_failing_child_is_tried_again(scenario: Scenario) -> None:
    assert scenario.output("retrying_parent", new_id()) == "at last"


def test_a_child_under_an_id_that_is_alive_fails_and_the_parent_goes_on(scenario: Scenario) -> None:
    taken = scenario.start_and_wait_for_start("event")
    assert scenario.output("parent_of", taken) == ["failed", "WorkflowInstanceAlreadyExists"]
    scenario.client.terminate_workflow(taken)


def test_terminating_a_child_fails_it_for_its_parent(scenario: Scenario) -> None:
    child_id = new_id()
    run_id = scenario.start("parent_of", child_id)
    scenario.wait_until_there(child_id)
    scenario.client.terminate_workflow(child_id)
    assert output_of(scenario.finish(run_id))[0] == "failed"


def test_an_event_wakes_a_run_whatever_the_case_of_its_name(scenario: Scenario) -> None:
    run_id = scenario.start_and_wait_for_start("event")
    scenario.client.raise_workflow_event(run_id, "aPPROVE", data={"ok": True})
    assert output_of(scenario.finish(run_id)) == {"ok": True}


def test_events_that_come_early_wait_in_their_order(scenario: Scenario) -> None:
    run_id = scenario.start("three_events")
    for value in (1, 2, 3):
        scenario.client.raise_workflow_event(run_id, "e", data=value)
    assert output_of(scenario.finish(run_id)) == [1, 2, 3]


def test_an_event_raised_before_a_planned_start_is_kept(scenario: Scenario) -> None:
    start_at = datetime.now(UTC) + timedelta(seconds=0.4)
    run_id = scenario.client.schedule_new_workflow("event", instance_id=new_id(), start_at=start_at)
    scenario.client.raise_workflow_event(run_id, "approve", data=7)
    assert output_of(scenario.finish(run_id)) == 7


def test_a_planned_start_waits_for_its_time(scenario: Scenario) -> None:
    start_at = datetime.now(UTC) + timedelta(seconds=0.4)
    run_id = scenario.client.schedule_new_workflow("immediate", input=1, instance_id=new_id(), start_at=start_at)
    assert scenario.status(run_id) == Status.PENDING
    scenario.finish(run_id)
    assert datetime.now(UTC) >= start_at


def test_an_event_that_comes_in_time_beats_the_timer(scenario: Scenario) -> None:
    run_id = scenario.start_and_wait_for_start("event_or_timer", 30.0)
    scenario.client.raise_workflow_event(run_id, "go", data="event")
    assert output_of(scenario.finish(run_id)) == "event"


def test_a_timer_beats_an_event_that_does_not_come(scenario: Scenario) -> None:
    assert scenario.output("event_or_timer", 0.2) == "timer"


def test_waiting_for_an_event_can_time_out(scenario: Scenario) -> None:
    assert scenario.output("event_with_timeout", 0.2) == "timed out"


def test_continue_as_new_starts_over_with_a_short_history(scenario: Scenario) -> None:
    state = scenario.run("counting", 0)
    assert output_of(state) == 5
    assert len(scenario.event_types(state.instance_id)) < 10


def test_continue_as_new_keeps_the_events_that_were_not_read(scenario: Scenario) -> None:
    run_id = scenario.start("collecting", [])
    for value in "abc":
        scenario.client.raise_workflow_event(run_id, "e", data=value)
    assert output_of(scenario.finish(run_id)) == ["a", "b", "c"]


def test_timers_of_an_earlier_generation_do_not_fire_into_the_next(scenario: Scenario) -> None:
    assert scenario.output("renewing_with_timer", 0) is True


def test_terminate_ends_the_run_and_its_children(scenario: Scenario) -> None:
    child_id = new_id()
    run_id = scenario.start("parent_of", child_id)
    scenario.wait_until_there(child_id)
    scenario.client.terminate_workflow(run_id, output="stopped")
    state = scenario.finish(run_id)
    scenario.wait_for_status(child_id, Status.TERMINATED)
    assert (state.runtime_status, output_of(state)) == (Status.TERMINATED, "stopped")


def test_terminate_without_recursion_leaves_the_children(scenario: Scenario) -> None:
    child_id = new_id()
    run_id = scenario.start("parent_of", child_id)
    scenario.wait_until_there(child_id)
    scenario.client.terminate_workflow(run_id, recursive=False)
    scenario.finish(run_id)
    scenario.client.raise_workflow_event(child_id, "approve", data=1)
    assert output_of(scenario.finish(child_id)) == 1


def test_a_paused_run_keeps_its_events_until_it_goes_on(scenario: Scenario) -> None:
    run_id = scenario.start_and_wait_for_start("event")
    scenario.client.pause_workflow(run_id)
    scenario.wait_for_status(run_id, Status.SUSPENDED)
    scenario.client.raise_workflow_event(run_id, "approve", data=1)
    wait_until(lambda: "EVENT_RAISED" in scenario.event_types(run_id), "the event is in the history")
    assert scenario.status(run_id) == Status.SUSPENDED
    scenario.client.resume_workflow(run_id)
    assert output_of(scenario.finish(run_id)) == 1


def test_a_parent_waits_for_a_paused_child(scenario: Scenario) -> None:
    child_id = new_id()
    run_id = scenario.start("parent_of", child_id)
    scenario.wait_until_there(child_id)
    scenario.client.wait_for_workflow_start(child_id, timeout_in_seconds=TIMEOUT_S)
    scenario.client.pause_workflow(child_id)
    scenario.wait_for_status(child_id, Status.SUSPENDED)
    assert scenario.status(run_id) == Status.RUNNING
    scenario.client.raise_workflow_event(child_id, "approve", data="late")
    scenario.client.resume_workflow(child_id)
    assert output_of(scenario.finish(run_id)) == "late"


def test_a_changed_order_of_steps_fails_the_run(scenario: Scenario) -> None:
    state = scenario.run("shifting", new_id())
    assert state.failure_details is not None
    assert (state.runtime_status, state.failure_details.error_type) == (Status.FAILED, "NonDeterminismError")


def test_a_workflow_that_no_worker_knows_fails(scenario: Scenario) -> None:
    state = scenario.run("no_such_workflow")
    assert state.failure_details is not None
    assert (state.runtime_status, state.failure_details.error_type) == (
        Status.FAILED,
        "OrchestratorNotRegisteredError",
    )


def test_the_latest_version_of_a_workflow_is_taken(scenario: Scenario) -> None:
    assert scenario.output("versioned") == "two"


def test_a_new_run_takes_a_patch(scenario: Scenario) -> None:
    assert scenario.output("patched") is True


def test_an_id_that_is_alive_cannot_be_taken_twice(scenario: Scenario) -> None:
    run_id = scenario.start_and_wait_for_start("event")
    with pytest.raises(grpc.RpcError) as caught:
        scenario.start("event", run_id=run_id)
    assert "exist" in str(caught.value).lower()
    scenario.client.terminate_workflow(run_id)


def test_the_id_of_a_finished_run_can_be_used_again(scenario: Scenario) -> None:
    run_id = new_id()
    assert scenario.output("immediate", 1, run_id) == 1
    assert scenario.output("chain", 1, run_id) == {"result": 3}
    assert scenario.event_types(run_id).count("EXECUTION_STARTED") == 1


@pytest.mark.parametrize("value", [None, 0, "", "ä€😀\n", [], {"a": [1, {"b": None}]}, 1.5, True])
def test_values_come_through_a_step_as_they_are(scenario: Scenario, value: Any) -> None:
    assert scenario.output("passing_on", value) == value


def test_a_payload_of_a_megabyte_and_a_half_comes_through(scenario: Scenario) -> None:
    text = "x" * (3 * 1024 * 512)  # the SDK's client takes 4 MiB a message: input and output together
    assert scenario.output("passing_on", text) == text


def test_a_step_knows_its_run(scenario: Scenario) -> None:
    run_id = new_id()
    assert scenario.output("asking_who", None, run_id) == [run_id, 1]


def test_fifty_runs_at_once_all_end_well(scenario: Scenario) -> None:
    ids = [scenario.start("chain", number) for number in range(50)]
    assert [output_of(scenario.finish(run_id)) for run_id in ids] == [{"result": n + 2} for n in range(50)]


def test_events_from_many_threads_reach_each_their_run(scenario: Scenario) -> None:
    ids = [scenario.start("three_events") for _ in range(10)]

    def raise_all(value: int) -> None:
        for run_id in ids:
            scenario.client.raise_workflow_event(run_id, "e", data=value)

    threads = [threading.Thread(target=raise_all, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(output_of(scenario.finish(run_id))) for run_id in ids] == [[1, 2, 3]] * 10


def test_results_go_to_the_run_that_asked_though_ids_differ_by_one_character(scenario: Scenario) -> None:
    stem = new_id()
    ids = [scenario.start("passing_on", number, f"{stem}{number}") for number in range(8)]
    assert [output_of(scenario.finish(run_id)) for run_id in ids] == list(range(8))


def test_own_history_is_shown_to_steps_and_children(scenario: Scenario) -> None:
    assert scenario.output("propagating", "OWN_HISTORY") == [
        ["propagating"],
        [["propagating"], ["propagating_child"]],
    ]


def test_the_lineage_shows_the_ancestors_first(scenario: Scenario) -> None:
    assert scenario.output("propagating", "LINEAGE") == [
        ["propagating"],
        [["propagating"], ["propagating", "propagating_child"]],
    ]


def test_without_a_scope_no_history_is_shown(scenario: Scenario) -> None:
    assert scenario.output("propagating", "NONE") == [[], [[], []]]
