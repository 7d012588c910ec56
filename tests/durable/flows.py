"""The durable functions and steps of the suite."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
from pydantic import BaseModel

from hub.workflows import (
    ChildFailedError,
    Context,
    EventTimeoutError,
    Functions,
    RetryAfterError,
    RetryPolicy,
    StepFailedError,
    Workflow,
    current_step,
    step,
    workflow,
)

calls: Counter[str] = Counter()
gates: dict[str, threading.Event] = {}
"""What a step of this process waits for, by run id."""

QUICK = RetryPolicy(max_attempts=4, first_delay_s=0.02, max_delay_s=0.05)


class Paper(BaseModel):
    title: str
    year: int


@dataclass(frozen=True)
class Shelf:
    papers: list[Paper]
    sorted_at: datetime


# Steps


@step
def add(a: int, b: int) -> int:
    return a + b


async def double(x: int) -> int:
    """Known by its import path: it is not declared."""
    await anyio.lowlevel.checkpoint()
    return 2 * x


def find_papers(topic: str, *, count: int = 2) -> list[Paper]:
    return [Paper(title=f"{topic} {n}", year=2000 + n) for n in range(count)]


def shelve(papers: list[Paper], at: datetime) -> Shelf:
    assert all(isinstance(paper, Paper) for paper in papers)
    return Shelf(papers=papers, sorted_at=at)


def flaky(good_at: int) -> list[object]:
    info = current_step()
    assert info is not None
    if info.attempt < good_at:
        raise ConnectionError(f"attempt {info.attempt}")
    return [info.run_id, info.name, info.key, info.attempt]


def always_fails(counter: str) -> None:
    calls[counter] += 1
    raise KeyError("no such thing")


async def limited(counter: str, refusals: int, after_s: float) -> int:
    calls[counter] += 1
    if calls[counter] <= refusals:
        raise RetryAfterError(after_s)
    return calls[counter]


async def slow_async() -> None:
    await anyio.sleep(30)


def slow_sync(gate: str) -> None:
    gates[gate].wait(30)


def gives_object() -> Any:
    return threading.Lock()


def gives_wrong_type() -> int:
    return "seven"  # pyright: ignore[reportReturnType] - the mistake that the test is about


def gives_much() -> str:
    return "x" * 3_000_000


def count(counter: str) -> int:
    calls[counter] += 1
    return calls[counter]


async def held(gate: str) -> str:
    """A step that waits for the test."""
    calls[f"held {gate}"] += 1
    while not gates[gate].is_set():  # noqa: ASYNC110 - the gate is opened from another thread and loop
        await anyio.sleep(0.01)
    return gate


# Durable functions


@workflow
async def chain(ctx: Context, x: int) -> dict[str, int]:
    a = await ctx.step(add, x, 1)
    b = await ctx.step(add, a, 1)
    return {"r": b}


@workflow
async def library(ctx: Context, topic: str, *, count: int = 2) -> Shelf:
    papers = await ctx.step(find_papers, topic, count=count)
    assert papers[0].year == 2000
    return await ctx.step(shelve, papers, ctx.now())


@workflow
async def no_steps(ctx: Context, who: str = "you") -> str:
    return f"{who} in {ctx.run_id}"


@workflow
async def retried(ctx: Context, good_at: int) -> list[object]:
    return await ctx.step(flaky, good_at, retry=QUICK, key="the flaky one")


@workflow
async def given_up(ctx: Context, counter: str, never_on: str = "") -> list[object]:
    policy = RetryPolicy(max_attempts=3, first_delay_s=0.02, never_on=(never_on,))
    try:
        await ctx.step(always_fails, counter, retry=policy)
    except StepFailedError as error:
        return [error.step, error.error_type, error.reason, str(error)]
    raise AssertionError("the step has not failed")


@workflow
async def unhandled(ctx: Context, counter: str) -> None:
    await ctx.step(always_fails, counter)


@workflow
async def rate_limited(ctx: Context, counter: str, refusals: int, after_s: float) -> int:
    return await ctx.step(limited, counter, refusals, after_s)


@workflow
async def timed_out(ctx: Context, gate: str = "") -> list[object]:
    try:
        if gate:
            await ctx.step(slow_sync, gate, timeout_s=0.1)
        else:
            await ctx.step(slow_async, timeout_s=0.1)
    except StepFailedError as error:
        return [error.error_type, error.error_code, error.was_retryable]
    raise AssertionError("the step has not timed out")


@workflow
async def keys(ctx: Context) -> list[list[object]]:
    first = await ctx.step(flaky, 1)
    second, named = await ctx.gather(ctx.step(flaky, 1), ctx.step(flaky, 1, key="named"))
    return [first, second, named]


@workflow
async def same_key_twice(ctx: Context) -> None:
    await ctx.step(add, 1, 1, key="k")
    await ctx.step(add, 1, 2, key="k")


@workflow
async def fan_out(ctx: Context, width: int) -> int:
    return sum(await ctx.gather(*[ctx.step(double, n) for n in range(width)]))


@workflow
async def branches(ctx: Context) -> list[int]:
    async def branch(start: int) -> int:
        value = await ctx.step(add, start, 1)
        await ctx.sleep(0.01)
        return await ctx.step(double, value)

    return await ctx.gather(branch(1), branch(10), branch(100))


@workflow
async def gather_with_failure(ctx: Context, counter: str) -> list[object]:
    async def late() -> str:
        await ctx.sleep(0.1)
        await ctx.step(count, counter)
        return "late"

    both = await ctx.gather(ctx.step(always_fails, f"{counter} fails"), late(), return_errors=True)
    try:
        await ctx.gather(ctx.step(always_fails, f"{counter} fails"), late())
    except StepFailedError as error:
        # Nothing runs any more when the failure is seen.
        return [type(both[0]).__name__, both[1], error.error_type, await ctx.step(count, counter)]
    raise AssertionError("gather has not raised")


@workflow
async def race_then_wait(ctx: Context) -> list[object]:
    first = await ctx.race(ctx.wait_event("go"), ctx.sleep(0.05))
    ctx.status("waiting again")
    return [list(first), await ctx.wait_event("go")]


@workflow
async def race_cleans_up(ctx: Context, counter: str) -> list[object]:
    async def loser() -> None:
        try:
            await ctx.wait_event("never")
        except asyncio.CancelledError:
            await ctx.step(count, counter)
            raise

    winner, result = await ctx.race(loser(), ctx.step(add, 1, 2))
    await ctx.step(count, f"{counter} after")
    return [winner, result]


@workflow
async def counts_twice(ctx: Context, counter: str) -> list[int]:
    first = await ctx.step(count, counter)
    return [first, await ctx.step(count, f"{counter} after")]


@workflow
async def two_waiters(ctx: Context) -> list[object]:
    return await ctx.gather(ctx.wait_event("Item"), ctx.wait_event("item"))


@workflow
async def typed_event(ctx: Context, timeout_s: float = 30) -> str:
    try:
        paper = await ctx.wait_event("paper", Paper, timeout_s=timeout_s)
    except EventTimeoutError as error:
        return str(error)
    return f"{paper.title} ({paper.year})"


@workflow
async def sleeper(ctx: Context, seconds: float) -> float:
    before = ctx.now()
    await ctx.sleep(timedelta(seconds=seconds))
    await ctx.sleep_until(before)
    return (ctx.now() - before).total_seconds()


@workflow
async def parent(ctx: Context, x: int) -> list[object]:
    one, other = await ctx.gather(ctx.child(chain, x), ctx.child(chain, x + 1, run_id=f"{ctx.run_id}-named"))
    who = await ctx.child(tells_meta, meta={"extra": 1})
    by_name = await ctx.child("chain", x=100)
    return [one["r"], other["r"], who, by_name]


@workflow
async def tells_meta(ctx: Context) -> list[object]:
    return [dict(ctx.meta), ctx.run_id]


@workflow(name="digs/as far as it is told")
async def digs(ctx: Context, depth: int) -> int:
    return 0 if not depth else 1 + await ctx.child(digs, depth - 1)


@workflow
async def parent_of_failure(ctx: Context, counter: str) -> list[object]:
    retry = RetryPolicy(max_attempts=2, first_delay_s=0.01)
    try:
        await ctx.child(unhandled, counter, retry=retry)
    except ChildFailedError as error:
        return [error.step, error.error_type, calls[counter]]
    raise AssertionError("the child has not failed")


@workflow
async def parent_of_sleeper(ctx: Context) -> None:
    await ctx.child(sleeper, 3600, run_id=f"{ctx.run_id}-child")


@workflow
async def from_context(ctx: Context) -> list[object]:
    before = [ctx.now().isoformat(), str(ctx.uuid()), str(ctx.uuid()), ctx.random.random()]
    await ctx.step(add, 1, 1)
    await ctx.sleep(0.01)
    seen = await ctx.step(add_to_seen, ctx.run_id, before)
    return [before, seen, before[1] != before[2]]


def add_to_seen(run_id: str, values: list[object]) -> list[object]:
    return values


@workflow
async def tells(ctx: Context) -> None:
    ctx.status("reading")
    ctx.progress(1, 3, "one of three")
    await ctx.wait_event("go")
    ctx.progress(3, 3)
    ctx.status("done")


@workflow
async def collector(ctx: Context, seen: list[object]) -> list[object]:
    seen = [*seen, await ctx.wait_event("item")]
    await ctx.step(count, f"{ctx.run_id} collected")
    if len(seen) < 4:
        ctx.continue_as_new(seen)
    return [*seen, ctx.generation, dict(ctx.meta)]


@workflow
async def patched(ctx: Context) -> list[object]:
    new_way = ctx.patched("2026-12: adds more")
    return [new_way, await ctx.step(add, 1, 10 if new_way else 1)]


@workflow(name="greeting", version="1", latest=False)
async def greeting_1(ctx: Context, who: str) -> str:
    await ctx.step(add, 1, 1)
    return f"hello {who}"


@workflow(name="greeting", version="2")
async def greeting_2(ctx: Context, who: str) -> str:
    await ctx.step(add, 1, 1)
    return f"good day {who}"


@workflow(name="versioned", version="1", latest=False)
async def versioned_1(ctx: Context, event: str) -> str:
    await ctx.wait_event(event)
    return "version 1"


@workflow(name="versioned", version="2")
async def versioned_2(ctx: Context, event: str) -> str:
    await ctx.wait_event(event)
    await ctx.step(add, 1, 1)
    return "version 2"


@workflow
async def bad_result(ctx: Context, which: str) -> None:
    steps = {"object": gives_object, "type": gives_wrong_type, "much": gives_much}
    await ctx.step(steps[which])


@workflow
async def bad_argument(ctx: Context, which: str) -> None:
    if which == "object":
        await ctx.step(double, threading.Lock())
    elif which == "missing":
        await ctx.step(add, 1)
    elif which == "type":
        await ctx.step(add, "one", 2)
    elif which == "lambda":
        await ctx.step(lambda: 1)
    else:
        await ctx.step("tests.durable.flows:nowhere")


@workflow
async def not_durable(ctx: Context, what: str) -> None:
    if what == "asyncio.sleep":
        await asyncio.sleep(1)
    elif what == "asyncio.sleep(0)":
        await asyncio.sleep(0)
    elif what == "anyio.sleep":
        await anyio.sleep(1)
    elif what == "create_task":
        await asyncio.create_task(asyncio.sleep(0))
    elif what == "to_thread":
        await asyncio.to_thread(time.time)
    elif what == "lock":
        lock = asyncio.Lock()
        await lock.acquire()
        await lock.acquire()
    elif what == "free lock":
        async with asyncio.Lock():
            pass
    elif what == "filled queue":
        queue = asyncio.Queue[int]()
        queue.put_nowait(1)
        await queue.get()
    elif what == "anyio lock":
        async with anyio.Lock():
            pass
    elif what == "socket":
        await asyncio.open_connection("127.0.0.1", 9)
    elif what == "anyio.fail_after":
        with anyio.fail_after(1):
            await ctx.step(add, 1, 1)
    elif what == "asyncio.timeout":
        async with asyncio.timeout(1):
            await ctx.step(add, 1, 1)
    elif what == "future":
        await ctx.gather(Forever())
    else:
        await Forever()


class Forever:
    """An awaitable that is neither a coroutine nor durable."""

    def __await__(self) -> Any:
        yield "something"


@workflow
async def cleans_up(ctx: Context, counter: str) -> None:
    try:
        await ctx.step(always_fails, f"{counter} fails")
    finally:
        await ctx.step(count, counter)


@workflow
async def holds(ctx: Context, gate: str) -> str:
    return await ctx.step(held, gate)


@workflow
async def uses_context_in_step(ctx: Context) -> None:
    escaped["ctx"] = ctx
    await ctx.step(steals_context)


escaped: dict[str, Context] = {}


async def steals_context() -> None:
    await escaped["ctx"].step(add, 1, 1)


WORKFLOWS: list[Workflow[..., Any]] = [each for each in list(globals().values()) if isinstance(each, Workflow)]
STEPS = [
    add,
    add_to_seen,
    always_fails,
    count,
    double,
    find_papers,
    flaky,
    gives_much,
    gives_object,
    gives_wrong_type,
    held,
    limited,
    shelve,
    slow_async,
    slow_sync,
    steals_context,
]


def build_functions() -> Functions:
    return Functions(WORKFLOWS, STEPS)
