"""Durable functions that ask."""

import asyncio
from collections import Counter

from hub.questions import Questions
from hub.workflows import Context, EventTimeoutError, Functions, Question, workflow

acted_on: Counter[str] = Counter()

NAME_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}


def act(run_id: str, what: object) -> None:
    acted_on[run_id] += 1


@workflow
async def asks_name(ctx: Context) -> list[object]:
    reply = await ctx.ask(Question.form("Who are you?", NAME_SCHEMA))
    await ctx.step(act, ctx.run_id, dict(reply.content))
    return [reply.action, reply.accepted, dict(reply.content)]


@workflow
async def asks_twice(ctx: Context) -> list[object]:
    first = await ctx.ask("Go on?")
    second = await ctx.ask("Go on?")
    return [first.action, second.action]


@workflow
async def asks_many(ctx: Context, count: int) -> list[object]:
    replies = await ctx.gather(*[ctx.ask(f"Number {n}?") for n in range(count)])
    return [reply.action for reply in replies]


@workflow
async def asks_for_a_while(ctx: Context, timeout_s: float) -> str:
    try:
        return str((await ctx.ask("Quick?", timeout_s=timeout_s)).action)
    except EventTimeoutError as error:
        return str(error)


@workflow
async def asks_in_a_race(ctx: Context) -> list[object]:
    async def asking() -> str:
        try:
            return str((await ctx.ask("Still there?")).action)
        except asyncio.CancelledError:
            ctx.status("gave up")
            raise

    first, result = await ctx.race(asking(), ctx.wait_event("enough"))
    await ctx.wait_event("end")
    return [first, result]


@workflow
async def asks_a_model(ctx: Context) -> object:
    reply = await ctx.ask(Question(method="sampling/createMessage", params={"messages": [], "maxTokens": 1}))
    return [reply.action, dict(reply.result)]


def build_functions(questions: Questions) -> Functions:
    functions = Functions(
        [asks_name, asks_twice, asks_many, asks_for_a_while, asks_in_a_race, asks_a_model], steps=[act]
    )
    questions.add_steps(functions.steps)
    return functions
