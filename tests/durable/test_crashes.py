"""Whatever dies, and whenever: no run is lost, and no finished step is repeated."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from bench.measured import write_section
from hub.errors import StaleAnswerError
from hub.questions import Questions
from hub.workflows import DaprAddress, DaprConnection, DaprDownError, Runs, open_connection
from tests.durable.crash_accounts import Kill, StepAccount, accounts_of, problems_of
from tests.durable.crash_flows import SHAPES, mixed
from tests.durable.crash_machine import Machine, running_machine
from tests.durable.crash_world import running_world
from tests.durable.histories import read_history
from tests.durable.ledger import read_effects, running_ledger

pytestmark = pytest.mark.crash

AT_ONCE = 24


async def until_done(call: Callable[[], Awaitable[object]]) -> None:
    """Try until Dapr is there."""
    while True:
        try:
            await call()
        except DaprDownError:
            await anyio.sleep(0.05)
        else:
            return


async def see_through(runs: Runs, number: int, results: dict[str, object]) -> None:
    """Start one run, give it what it waits for, and keep its result."""
    shape = SHAPES[number % len(SHAPES)]
    run_id = f"crash-{shape}-{number}"
    await until_done(lambda: runs.start(mixed, {"shape": shape}, run_id=run_id))
    if shape == "events":
        await until_done(lambda: runs.send(run_id, "nine", 9))
    ended = await runs.wait(run_id)
    results[run_id] = ended.failure or ended.result


async def answer_all(questions: Questions) -> None:
    """The person who says yes to everything."""

    async def answer_open() -> None:
        for each in await questions.list():
            with contextlib.suppress(StaleAnswerError):
                await questions.answer(each.id, {"action": "accept", "content": {}})

    while True:
        await until_done(answer_open)
        await anyio.sleep(0.3)


async def kill_at_random(machine: Machine, count: int, over: anyio.Event) -> None:
    for _ in range(count):
        await anyio.sleep(random.uniform(0.2, 2.0))
        await anyio.to_thread.run_sync(machine.kill_one)
    over.set()


async def keep_starting(runs: Runs, least: int, over: anyio.Event, results: dict[str, object]) -> None:
    """New runs for as long as there are kills, and so many at least; returns when all have ended."""
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int) -> None:
        async with limiter:
            await see_through(runs, number, results)

    async with anyio.create_task_group() as group:
        number = 0
        while number < least or not over.is_set():
            while limiter.statistics().tasks_waiting:  # noqa: ASYNC110 - a limiter tells nobody of its waiters
                await anyio.sleep(0.02)
            group.start_soon(one, number)
            await anyio.lowlevel.checkpoint()
            number += 1


@pytest.mark.timeout(1_500)
async def test_no_run_is_lost_and_no_finished_step_repeated_under_sigkill(tmp_path: Path, full: bool) -> None:
    kills, least = (500, 200) if full else (25, 60)
    results: dict[str, object] = {}
    began = time.monotonic()
    with (
        running_ledger() as ledger_port,
        running_world(ledger_port) as (model, mcp_url),
        running_machine(tmp_path, ledger_port=ledger_port, model=model, mcp_url=mcp_url) as machine,
    ):
        address = DaprAddress(grpc_port=machine.grpc_port)
        async with open_connection(address) as connection:
            runs, over = Runs(connection), anyio.Event()
            with anyio.fail_after(1_200 if full else 240):
                async with anyio.create_task_group() as group:
                    group.start_soon(answer_all, Questions(connection))
                    group.start_soon(kill_at_random, machine, kills, over)
                    await keep_starting(runs, least, over, results)
                    group.cancel_scope.cancel()
            took_s = time.monotonic() - began
            assert len(machine.kills) == kills
            assert len(results) >= least
            assert {run_id: result for run_id, result in results.items() if result != 10} == {}
            states = await runs.list(children=True)
            assert {each.status for each in states} == {"completed"}
            accounts = await all_accounts(connection, [each.run_id for each in states])
            effects = await read_effects(ledger_port)
    assert "\n".join(problems_of(accounts, effects, machine.kills)) == ""
    assert any(account.through_hub for account in accounts.values())
    if full:
        write_result(machine.kills, len(results), accounts, effects, took_s)


async def all_accounts(connection: DaprConnection, run_ids: Sequence[str]) -> Mapping[str, StepAccount]:
    accounts: dict[str, StepAccount] = {}
    for run_id in run_ids:
        of_run = accounts_of((await read_history(connection, run_id)).events)
        assert not accounts.keys() & of_run.keys()
        accounts.update(of_run)
    return accounts


def write_result(
    kills: Sequence[Kill],
    runs: int,
    accounts: Mapping[str, StepAccount],
    effects: Mapping[str, Sequence[float]],
    took_s: float,
) -> None:
    victims = Counter(each.victim for each in kills)
    again = sum(len(times) - 1 for times in effects.values())
    write_section(
        "Kills",
        [
            ("what", "count"),
            ("SIGKILLs of workers", f"{victims['worker']}"),
            ("SIGKILLs of the sidecar", f"{victims['sidecar']}"),
            ("SIGKILLs of the hub", f"{victims['hub']}"),
            ("runs, and lost ones of them", f"{runs:,}, 0"),
            ("steps with an effect, and those repeated after they were finished", f"{len(accounts):,}, 0"),
            ("effects that came again because of a kill in flight", f"{again}"),
            ("minutes", f"{took_s / 60:.1f}"),
        ],
        note=f"Runs of {len(SHAPES)} shapes, {AT_ONCE} at once, on two workers; kills at random moments.",
    )
