"""What clients do with runs: look, wait, list, delete, run again."""

import uuid
from typing import Any

import dapr.ext.workflow as wf
import grpc
import pytest
from dapr.ext.workflow.aio import DaprWorkflowClient as AsyncWorkflowClient

from tests.sidecar.processes import DaprApi
from tests.sidecar.scenario import Scenario, new_id, output_of
from tests.sidecar.workflows import GATE

Status = wf.WorkflowStatus


def test_a_run_that_is_not_there_has_no_state(scenario: Scenario) -> None:
    assert scenario.client.get_workflow_state(new_id()) is None


def test_an_event_for_a_run_that_is_not_there_is_an_error(scenario: Scenario) -> None:
    with pytest.raises(grpc.RpcError):
        scenario.client.raise_workflow_event(new_id(), "e", data=1)


def test_an_event_for_a_finished_run_is_dropped(scenario: Scenario) -> None:
    run_id = new_id()
    scenario.run("immediate", 1, run_id)
    scenario.client.raise_workflow_event(run_id, "e", data=1)
    assert scenario.status(run_id) == Status.COMPLETED


def test_waiting_for_the_start_shows_a_running_run(scenario: Scenario) -> None:
    key = new_id()
    run_id = scenario.start("gated_run", key)
    state = scenario.client.wait_for_workflow_start(run_id, timeout_in_seconds=20)
    assert state.runtime_status == Status.RUNNING
    GATE.opened(key).set()
    assert output_of(scenario.finish(run_id)) == key


def test_the_status_text_is_seen_while_the_run_goes_on(scenario: Scenario) -> None:
    key = new_id()
    run_id = scenario.start("gated_run", key)
    assert GATE.begun(key).wait(20)
    assert scenario.state(run_id).serialized_custom_status is not None
    GATE.opened(key).set()
    scenario.finish(run_id)


def test_waiting_ends_with_the_callers_patience(scenario: Scenario) -> None:
    run_id = scenario.start_and_wait_for_start("event")
    with pytest.raises(TimeoutError):
        scenario.client.wait_for_workflow_completion(run_id, timeout_in_seconds=1)
    scenario.client.terminate_workflow(run_id)


def test_two_clients_can_wait_for_one_run(scenario: Scenario, dapr_api: DaprApi) -> None:
    other: Any = wf.DaprWorkflowClient(host=dapr_api.host, port=str(dapr_api.grpc_port))
    run_id = scenario.start("short_timer")
    first, second = scenario.finish(run_id), other.wait_for_workflow_completion(run_id, timeout_in_seconds=20)
    other.close()
    assert (output_of(first), output_of(second)) == (True, True)


def test_the_state_can_be_read_without_payloads(scenario: Scenario) -> None:
    run_id = new_id()
    scenario.run("passing_on", "payload", run_id)
    state = scenario.client.get_workflow_state(run_id, fetch_payloads=False)
    assert (state.runtime_status, state.serialized_input, state.serialized_output) == (Status.COMPLETED, None, None)


def test_the_state_tells_name_input_and_times(scenario: Scenario) -> None:
    run_id = new_id()
    state = scenario.run("passing_on", "payload", run_id)
    assert (state.instance_id, state.name, state.serialized_input) == (run_id, "passing_on", '"payload"')
    assert state.last_updated_at >= state.created_at


def test_the_history_tells_what_happened_in_order(scenario: Scenario) -> None:
    state = scenario.run("chain", 1)
    assert scenario.event_types(state.instance_id) == [
        "WORKFLOW_STARTED",
        "EXECUTION_STARTED",
        "TASK_SCHEDULED",
        "WORKFLOW_STARTED",
        "TASK_COMPLETED",
        "TASK_SCHEDULED",
        "WORKFLOW_STARTED",
        "TASK_COMPLETED",
        "EXECUTION_COMPLETED",
    ]


def test_a_purged_run_is_gone(scenario: Scenario) -> None:
    run_id = new_id()
    scenario.run("chain", 1, run_id)
    scenario.client.purge_workflow(run_id)
    assert scenario.client.get_workflow_state(run_id) is None


def test_the_id_of_a_purged_run_is_free(scenario: Scenario) -> None:
    run_id = new_id()
    scenario.run("immediate", 1, run_id)
    scenario.client.purge_workflow(run_id)
    assert scenario.output("immediate", 2, run_id) == 2


def test_a_living_run_cannot_be_purged(scenario: Scenario) -> None:
    run_id = scenario.start_and_wait_for_start("event")
    with pytest.raises(grpc.RpcError):
        scenario.client.purge_workflow(run_id)
    scenario.client.raise_workflow_event(run_id, "approve", data="still here")
    assert output_of(scenario.finish(run_id)) == "still here"


def test_purging_takes_the_children_along(scenario: Scenario) -> None:
    run_id = new_id()
    scenario.run("parent", 1, run_id)
    scenario.client.purge_workflow(run_id, recursive=True)
    assert scenario.client.get_workflow_state(f"{run_id}-named") is None


def test_all_runs_are_listed_page_by_page(scenario: Scenario) -> None:
    ids = {scenario.run("immediate", number).instance_id for number in range(7)}
    listed = list(scenario.client.iter_workflow_instance_ids(page_size=3))
    assert ids <= set(listed)
    assert len(listed) == len(set(listed))


async def test_the_asynchronous_client_does_the_same(scenario: Scenario, dapr_api: DaprApi) -> None:
    client: Any = AsyncWorkflowClient(host=dapr_api.host, port=str(dapr_api.grpc_port))
    run_id = await client.schedule_new_workflow("event", instance_id=uuid.uuid4().hex)
    await client.wait_for_workflow_start(run_id, timeout_in_seconds=20)
    await client.raise_workflow_event(run_id, "approve", data="async")
    state = await client.wait_for_workflow_completion(run_id, timeout_in_seconds=20)
    await client.purge_workflow(run_id)
    gone = await client.get_workflow_state(run_id)
    assert (output_of(state), gone) == ("async", None)


def _event_id(scenario: Scenario, run_id: str, kind: str, which: int = 0) -> int:
    history = scenario.client.get_workflow_history(run_id)
    return [event.event_id for event in history if event.event_type.name == kind][which]


def test_a_run_again_from_a_step_keeps_what_came_before(scenario: Scenario) -> None:
    state = scenario.run("add_then_wait", 1)
    event_id = _event_id(scenario, state.instance_id, "TASK_SCHEDULED", 1)
    again = scenario.client.rerun_workflow_from_event(state.instance_id, event_id, input=[40, 2])
    assert (output_of(scenario.finish(again)), output_of(scenario.state(state.instance_id))) == ([2, 42], [2, 102])


def test_a_run_again_from_the_first_step_does_everything_again(scenario: Scenario) -> None:
    state = scenario.run("add_then_wait", 1)
    new = new_id()
    event_id = _event_id(scenario, state.instance_id, "TASK_SCHEDULED")
    assert scenario.client.rerun_workflow_from_event(state.instance_id, event_id, new_instance_id=new) == new
    assert output_of(scenario.finish(new)) == [2, 102]


def test_a_run_again_from_a_timer_waits_again(scenario: Scenario) -> None:
    state = scenario.run("add_then_wait", 5)
    event_id = _event_id(scenario, state.instance_id, "TIMER_CREATED")
    again = scenario.client.rerun_workflow_from_event(state.instance_id, event_id)
    assert output_of(scenario.finish(again)) == [6, 106]


def test_a_run_again_from_one_of_many_parallel_steps_completes_the_others(scenario: Scenario) -> None:
    state = scenario.run("wide", [1, 2, 3, 4])
    event_id = _event_id(scenario, state.instance_id, "TASK_SCHEDULED", 1)
    again = scenario.client.rerun_workflow_from_event(state.instance_id, event_id, input=[20, 0])
    assert output_of(scenario.finish(again)) == [1, 20, 3, 4]


def test_a_run_again_from_a_child_starts_a_child_of_its_own(scenario: Scenario) -> None:
    state = scenario.run("catching_parent")
    event_id = _event_id(scenario, state.instance_id, "CHILD_WORKFLOW_INSTANCE_CREATED")
    child_id = new_id()
    again = scenario.client.rerun_workflow_from_event(
        state.instance_id, event_id, new_child_workflow_instance_id=child_id
    )
    assert output_of(scenario.finish(again)) == ["RuntimeError", "the child fails"]
    assert scenario.status(child_id) == Status.FAILED


def _code_of(error: grpc.RpcError) -> str:
    sdk_error: Any = error
    return sdk_error.code().name


def test_a_living_run_cannot_be_run_again(scenario: Scenario) -> None:
    run_id = scenario.start_and_wait_for_start("event")
    with pytest.raises(grpc.RpcError) as caught:
        scenario.client.rerun_workflow_from_event(run_id, 1)
    scenario.client.terminate_workflow(run_id)
    assert _code_of(caught.value) == "INVALID_ARGUMENT"


def test_a_run_cannot_go_on_from_an_event_that_is_not_there(scenario: Scenario) -> None:
    state = scenario.run("chain", 1)
    with pytest.raises(grpc.RpcError) as caught:
        scenario.client.rerun_workflow_from_event(state.instance_id, 99)
    assert _code_of(caught.value) == "NOT_FOUND"


def test_a_run_again_needs_an_id_of_its_own(scenario: Scenario) -> None:
    state, taken = scenario.run("chain", 1), scenario.run("immediate", 1)
    event_id = _event_id(scenario, state.instance_id, "TASK_SCHEDULED")
    with pytest.raises(grpc.RpcError) as caught:
        scenario.client.rerun_workflow_from_event(state.instance_id, event_id, new_instance_id=taken.instance_id)
    assert _code_of(caught.value) == "ALREADY_EXISTS"


def test_a_timer_takes_no_input_when_run_again(scenario: Scenario) -> None:
    state = scenario.run("add_then_wait", 1)
    event_id = _event_id(scenario, state.instance_id, "TIMER_CREATED")
    with pytest.raises(grpc.RpcError) as caught:
        scenario.client.rerun_workflow_from_event(state.instance_id, event_id, input=1)
    assert _code_of(caught.value) == "INVALID_ARGUMENT"
