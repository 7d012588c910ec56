"""A replay comes to the same actions, and code that changed is told apart."""

from pathlib import Path
from typing import Any

import pytest

from hub.workflows import Context, DaprConnection, Functions, Runs, Workflow, workflow
from tests.durable import flows
from tests.durable.flows import STEPS, add, build_functions, double
from tests.durable.histories import FOLDER, load, read_history, replay, replay_last

HISTORIES = sorted(FOLDER.glob("*/*.json"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_turn_of_a_recorded_history_comes_to_what_it_came_to(path: Path) -> None:
    history = load(path)
    assert replay(history, build_functions()) == [outcome for _, _, outcome in history.turns()]


def test_the_histories_of_this_release_are_recorded() -> None:
    assert {path.stem for path in HISTORIES} >= {"chain", "parent", "race_then_wait", "rate_limited"}


@pytest.mark.usefixtures("hub_worker")
@pytest.mark.parametrize("flow", [flows.chain, flows.branches, flows.parent, flows.fan_out], ids=lambda flow: flow.name)
async def test_a_fresh_history_replays_turn_by_turn(
    connection: DaprConnection, runs: Runs, run_id: str, flow: Workflow[..., Any]
) -> None:
    arguments = {"chain": {"x": 1}, "parent": {"x": 1}, "fan_out": {"width": 20}}.get(flow.name, {})
    await runs.run(flow, arguments, run_id=run_id, timeout_s=20)
    history = await read_history(connection, run_id)
    assert replay(history, build_functions()) == [outcome for _, _, outcome in history.turns()]


@workflow(name="chain")
async def other_step(ctx: Context, x: int) -> dict[str, int]:
    return {"r": await ctx.step(double, await ctx.step(double, x))}


@workflow(name="chain")
async def other_key(ctx: Context, x: int) -> dict[str, int]:
    a = await ctx.step(add, x, 1, key="first")
    return {"r": await ctx.step(add, a, 1, key="second")}


@workflow(name="chain")
async def a_sleep_first(ctx: Context, x: int) -> dict[str, int]:
    await ctx.sleep(1)
    return {"r": await ctx.step(add, x, 2)}


@workflow(name="chain")
async def a_child_instead(ctx: Context, x: int) -> dict[str, int]:
    return await ctx.child(flows.chain, x)


@workflow(name="chain")
async def nothing_any_more(ctx: Context, x: int) -> dict[str, int]:
    return {"r": x + 2}


@pytest.mark.parametrize(
    ("changed", "asks_for"),
    [
        (other_step, "the step 'tests.durable.flows:double' (tests.durable.flows:double#1)"),
        (other_key, "the step 'tests.durable.flows:add' (first)"),
        (a_sleep_first, "a timer"),
        (a_child_instead, "the child 'chain'"),
        (nothing_any_more, "the end of the run"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_code_that_no_longer_fits_the_history_names_the_step(changed: Workflow[..., Any], asks_for: str) -> None:
    response = replay_last(load(FOLDER / "0.1" / "chain.json"), Functions([changed], STEPS))
    assert len(response.actions) == 1
    failure = response.actions[0].completeWorkflow.failureDetails
    assert failure.errorType == "NonDeterminismError; code=non_deterministic; retryable=false"
    before = "the step 'tests.durable.flows:add' (tests.durable.flows:add#1)"
    before = before.replace("tests.durable.flows:add'", f"{add.name}'").replace(
        "tests.durable.flows:add#", f"{add.name}#"
    )
    assert failure.errorMessage.startswith(
        f"at place 1 the run's history has {before}, the code now asks for {asks_for}."
    )
    assert failure.stackTrace.value == ""
