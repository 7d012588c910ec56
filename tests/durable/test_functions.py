"""What a durable function may do, on every sidecar and every worker."""

from collections.abc import Generator
from datetime import UTC, datetime
from threading import Event
from typing import Any

import anyio
import pytest

from hub.errors import InvalidInputError
from hub.workflows import RunFailedError, Runs, Workflow
from tests.durable import flows
from tests.durable.flows import Paper, Shelf, calls, gates

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture(autouse=True)
def bounded() -> Generator[None]:
    """Each run here ends within seconds, or its test fails by itself."""
    yield
    for gate in gates.values():
        gate.set()


async def result_of(runs: Runs, workflow: Workflow[..., Any], run_id: str, **arguments: object) -> Any:
    return await runs.run(workflow, arguments, run_id=run_id, timeout_s=20)


async def failure_of(runs: Runs, workflow: Workflow[..., Any], run_id: str, **arguments: object) -> tuple[str, str]:
    with pytest.raises(RunFailedError) as failed:
        await result_of(runs, workflow, run_id, **arguments)
    return failed.value.error_type, failed.value.reason


async def until_status(runs: Runs, run_id: str, status: str) -> None:
    with anyio.fail_after(10):
        async for each in runs.events(run_id):
            if getattr(each, "shown", {}).get("status") == status:
                return


async def test_steps_run_one_after_the_other_and_give_their_results(runs: Runs, run_id: str) -> None:
    assert await result_of(runs, flows.chain, run_id, x=1) == {"r": 3}


async def test_models_and_dataclasses_come_back_as_they_were_annotated(runs: Runs, run_id: str) -> None:
    shelf = await result_of(runs, flows.library, run_id, topic="bees", count=1)
    assert shelf == Shelf(papers=[Paper(title="bees 0", year=2000)], sorted_at=shelf.sorted_at)
    assert shelf.sorted_at.tzinfo is not None
    assert abs((datetime.now(UTC) - shelf.sorted_at).total_seconds()) < 20


async def test_a_function_without_a_step_is_a_run_too(runs: Runs, run_id: str) -> None:
    assert await result_of(runs, flows.no_steps, run_id) == f"you in {run_id}"


async def test_a_failing_step_is_tried_again_under_the_same_key(runs: Runs, run_id: str) -> None:
    result = await result_of(runs, flows.retried, run_id, good_at=3)
    assert result == [run_id, "tests.durable.flows:flaky", f"{run_id}/the flaky one", 3]


async def test_a_step_that_keeps_failing_gives_its_error_to_the_function(runs: Runs, run_id: str) -> None:
    result = await result_of(runs, flows.given_up, run_id, counter=run_id)
    name = "tests.durable.flows:always_fails"
    assert result == [
        name,
        "KeyError",
        "'no such thing'",
        f"step {name} failed after 3 attempts: KeyError: 'no such thing'",
    ]
    assert calls[run_id] == 3


async def test_an_error_that_the_policy_names_ends_the_step_at_once(runs: Runs, run_id: str) -> None:
    await result_of(runs, flows.given_up, run_id, counter=run_id, never_on="KeyError")
    assert calls[run_id] == 1


async def test_an_unhandled_failure_fails_the_run(runs: Runs, run_id: str) -> None:
    kind, reason = await failure_of(runs, flows.unhandled, run_id, counter=run_id)
    assert (kind, reason) == (
        "StepFailedError",
        "step tests.durable.flows:always_fails failed: KeyError: 'no such thing'",
    )


async def test_a_rate_limit_is_waited_out_without_counting_as_an_attempt(runs: Runs, run_id: str) -> None:
    result = await result_of(runs, flows.rate_limited, run_id, counter=run_id, refusals=5, after_s=0.05)
    assert result == 6
    timers = [each for each in await runs.history(run_id) if each.kind == "timerFired"]
    assert len(timers) == 5


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_step_over_its_time_is_given_up(runs: Runs, run_id: str, kind: str) -> None:
    gates[run_id] = Event()
    result = await result_of(runs, flows.timed_out, run_id, **({"gate": run_id} if kind == "sync" else {}))
    assert result == ["CallTimeoutError", "timeout", True]


async def test_each_step_has_a_key_of_its_own(runs: Runs, run_id: str) -> None:
    name = "tests.durable.flows:flaky"
    assert [each[2] for each in await result_of(runs, flows.keys, run_id)] == [
        f"{run_id}/{name}#1",
        f"{run_id}/{name}#2",
        f"{run_id}/named",
    ]


async def test_two_steps_cannot_share_a_key(runs: Runs, run_id: str) -> None:
    kind, reason = await failure_of(runs, flows.same_key_twice, run_id)
    assert kind == "InvalidInputError"
    assert reason == f"two steps of run {run_id} have the key 'k': each needs its own"


async def test_a_wide_gather_gives_all_results(runs: Runs, run_id: str) -> None:
    assert await result_of(runs, flows.fan_out, run_id, width=60) == 2 * sum(range(60))


async def test_coroutines_run_beside_each_other(runs: Runs, run_id: str) -> None:
    assert await result_of(runs, flows.branches, run_id) == [4, 22, 202]


async def test_a_gather_raises_only_when_nothing_runs_any_more(runs: Runs, run_id: str) -> None:
    result = await result_of(runs, flows.gather_with_failure, run_id, counter=run_id)
    assert result == ["StepFailedError", "late", "KeyError", 3]


async def test_an_event_after_a_lost_race_goes_to_who_waits_then(runs: Runs, run_id: str) -> None:
    await runs.start(flows.race_then_wait, run_id=run_id)
    await until_status(runs, run_id, "waiting again")
    await runs.send(run_id, "go", 7)
    assert await runs.result(run_id, timeout_s=10) == [[1, None], 7]


async def test_the_loser_of_a_race_may_clean_up(runs: Runs, run_id: str) -> None:
    assert await result_of(runs, flows.race_cleans_up, run_id, counter=run_id) == [1, 3]
    assert (calls[run_id], calls[f"{run_id} after"]) == (1, 1)


async def test_events_sent_early_are_kept_and_each_counts_once(runs: Runs, run_id: str) -> None:
    await runs.start(flows.two_waiters, run_id=run_id)
    await runs.send(run_id, "ITEM", "first")
    await runs.send(run_id, "item", "second")
    assert await runs.result(run_id, timeout_s=10) == ["first", "second"]


async def test_an_events_data_becomes_the_type_that_is_waited_for(runs: Runs, run_id: str) -> None:
    await runs.start(flows.typed_event, run_id=run_id)
    await runs.send(run_id, "paper", Paper(title="Bees", year=1999))
    assert await runs.result(run_id, timeout_s=10) == "Bees (1999)"


async def test_event_data_that_does_not_fit_is_an_error_that_names_the_place(runs: Runs, run_id: str) -> None:
    await runs.start(flows.typed_event, run_id=run_id)
    await runs.send(run_id, "paper", {"title": "Bees"})
    with pytest.raises(RunFailedError, match=r"the data of event 'paper': .*year.*Field required"):
        await runs.result(run_id, timeout_s=10)


async def test_a_wait_for_an_event_may_time_out(runs: Runs, run_id: str) -> None:
    result = await result_of(runs, flows.typed_event, run_id, timeout_s=0.05)
    assert result == "no event 'paper' came within 0.05 s"


async def test_a_sleep_takes_its_time_and_one_until_a_past_moment_none(runs: Runs, run_id: str) -> None:
    assert 0.2 <= await result_of(runs, flows.sleeper, run_id, seconds=0.2) < 10


async def test_child_runs_give_typed_results_and_inherit_meta(runs: Runs, run_id: str) -> None:
    started = await runs.start(flows.parent, {"x": 5}, run_id=run_id, meta={"thread": "t1"})
    assert await runs.result(started, timeout_s=20) == [
        7,
        8,
        [{"thread": "t1", "extra": 1}, f"{run_id}:tells_meta-1"],
        {"r": 102},
    ]
    assert (await runs.status(f"{run_id}-named")).parent_id in (run_id, None)


async def test_a_failing_child_is_tried_again_and_its_failure_can_be_handled(runs: Runs, run_id: str) -> None:
    result = await result_of(runs, flows.parent_of_failure, run_id, counter=run_id)
    assert result == ["unhandled", "StepFailedError", 1]


async def test_time_ids_and_chance_are_the_same_on_each_replay(runs: Runs, run_id: str) -> None:
    before, seen, ids_differ = await result_of(runs, flows.from_context, run_id)
    assert before == seen
    assert ids_differ


async def test_status_and_progress_are_seen_from_outside(runs: Runs, run_id: str) -> None:
    await runs.start(flows.tells, run_id=run_id)
    await until_status(runs, run_id, "reading")
    shown = (await runs.status(run_id)).shown
    assert shown == {"status": "reading", "progress": {"progress": 1, "total": 3, "message": "one of three"}}
    await runs.send(run_id, "go")
    state = await runs.wait(run_id, timeout_s=10)
    assert (state.status, state.shown) == (
        "completed",
        {"status": "done", "progress": {"progress": 3, "total": 3}},
    )


async def test_a_run_that_begins_anew_keeps_events_and_meta_and_has_new_keys(runs: Runs, run_id: str) -> None:
    await runs.start(flows.collector, {"seen": []}, run_id=run_id, meta={"thread": "t1"})
    items: list[object] = ["a", False, 0, {"b": [1]}]
    for item in items:
        await runs.send(run_id, "item", item)
    result = await runs.result(run_id, timeout_s=20)
    assert result == [*items, 4, {"thread": "t1"}]
    assert calls[f"{run_id} collected"] == 4
    scheduled = [each.key for each in await runs.history(run_id) if each.kind == "taskScheduled"]
    assert scheduled == [f"{run_id}/g4/tests.durable.flows:count#1"]


async def test_a_new_run_takes_the_patched_way(runs: Runs, run_id: str) -> None:
    assert await result_of(runs, flows.patched, run_id) == [True, 11]


async def test_a_new_run_takes_the_latest_version(runs: Runs, run_id: str) -> None:
    assert await result_of(runs, flows.greeting_2, run_id, who="Ann") == "good day Ann"


@pytest.mark.parametrize(
    ("which", "kind", "message"),
    [
        ("object", "UnserialisableError", "the result of step tests.durable.flows:gives_object is a _thread.lock that"),
        ("type", "UnserialisableError", "the result of step tests.durable.flows:gives_wrong_type is a str that does"),
        ("much", "PayloadTooLargeError", "the result of step tests.durable.flows:gives_much is a str of 3,000,002 byt"),
    ],
)
async def test_a_result_that_cannot_be_kept_names_step_and_type(
    runs: Runs, run_id: str, which: str, kind: str, message: str
) -> None:
    error_type, reason = await failure_of(runs, flows.bad_result, run_id, which=which)
    assert error_type == "StepFailedError"
    assert f": {kind}: {message}" in reason


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("object", "argument `x` of step tests.durable.flows:double is a _thread.lock that cannot be written as JSON"),
        ("missing", "step tests.durable.flows:add: missing a required argument: 'b'; it takes (a: int, b: int) -> int"),
        ("type", "step tests.durable.flows:add: argument `a`: Input should be a valid integer"),
        ("lambda", "cannot be a step: after a restart nothing leads back to it"),
        ("unknown", "this worker has no step 'tests.durable.flows:nowhere'"),
    ],
)
async def test_a_step_that_cannot_be_scheduled_says_why(runs: Runs, run_id: str, which: str, message: str) -> None:
    _, reason = await failure_of(runs, flows.bad_argument, run_id, which=which)
    assert message in reason


@pytest.mark.parametrize(
    "what",
    [
        "asyncio.sleep",
        "asyncio.sleep(0)",
        "anyio.sleep",
        "create_task",
        "to_thread",
        "lock",
        "free lock",
        "filled queue",
        "anyio lock",
        "socket",
        "anyio.fail_after",
        "asyncio.timeout",
        "future",
        "own",
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_awaiting_what_is_not_durable_fails_at_once_and_says_what_to_use(
    runs: Runs, run_id: str, what: str
) -> None:
    kind, reason = await failure_of(runs, flows.not_durable, run_id, what=what)
    assert kind == "NotDurableError"
    assert reason.startswith("durable function 'not_durable' ")
    assert "use `ctx.sleep` for time, `ctx.step(fn, ...)` for I/O" in reason


async def test_a_finally_may_run_steps_and_runs_them_once(runs: Runs, run_id: str) -> None:
    kind, _ = await failure_of(runs, flows.cleans_up, run_id, counter=run_id)
    assert kind == "StepFailedError"
    assert calls[run_id] == 1


async def test_a_step_cannot_use_the_runs_context(runs: Runs, run_id: str) -> None:
    _, reason = await failure_of(runs, flows.uses_context_in_step, run_id)
    assert "NotDurableError" in reason


async def test_arguments_are_checked_before_the_run_starts(runs: Runs, run_id: str) -> None:
    with pytest.raises(InvalidInputError, match=r"workflow chain: argument `x`: Input should be a valid integer"):
        await runs.start(flows.chain, {"x": "one"}, run_id=run_id)
    with pytest.raises(InvalidInputError, match=r"workflow chain: missing a required argument: 'x'"):
        await runs.start(flows.chain, run_id=run_id)
