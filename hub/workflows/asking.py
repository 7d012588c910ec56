"""A run asks, and waits for the answer without holding anything."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from hub.workflows.errors import EventTimeoutError
from hub.workflows.question import PUT_STEP, TAKE_STEP, Question, Reply, answered_event, unpack_answer
from hub.workflows.retry import STORE_RETRY
from hub.workflows.values import to_json_value

if TYPE_CHECKING:
    from hub.workflows.context import Context


async def ask(context: "Context", asked: Question, name: str, timeout_s: float | None) -> Reply:
    """Store the question, wait for its answer; see `Context.ask`.

    Args:
        name: of this question within the run.

    Raises:
        EventTimeoutError: no answer came in `timeout_s`; the question is closed.
    """
    question_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{context.full_key(name)}/{asked.digest}").hex
    record = {
        "id": question_id,
        "run_id": context.run_id,
        "method": asked.method,
        "params": to_json_value(dict(asked.params), "the question"),
        "meta": context.meta,
        "asked_at": context.now().isoformat(),
    }
    await context.step(PUT_STEP, record, key=f"{name}/put", retry=STORE_RETRY)
    context.show("asking", [*_open_ids(context), question_id])
    taken = await _answer(context, asked, name, question_id, timeout_s)
    context.show("asking", [each for each in _open_ids(context) if each != question_id])
    if taken is None:
        raise EventTimeoutError(f"no answer to {asked.message!r} within {timeout_s:g} s")
    return Reply(result=taken)


async def _answer(
    context: "Context", asked: Question, name: str, question_id: str, timeout_s: float | None
) -> Mapping[str, Any] | None:
    """What the answer's event brings, else what the store has; None if there is none in time."""
    until = None if timeout_s is None else context.now() + timedelta(seconds=timeout_s)
    taken: Mapping[str, Any] | None = None
    timed_out = False
    looks = 0
    while taken is None and not timed_out:
        left = None if until is None else max(0.0, (until - context.now()).total_seconds())
        try:
            event = await context.wait_event(answered_event(question_id), timeout_s=left)
        except EventTimeoutError:
            timed_out = True
        except asyncio.CancelledError:
            await context.step(TAKE_STEP, question_id, asked.digest, close=True, key=f"{name}/close", retry=STORE_RETRY)
            raise
        else:
            taken = unpack_answer(event, asked.digest)
        if taken is None:
            # The store decides: an answer stored in the last moment still counts.
            looks += 1
            look = f"{name}/take" if looks == 1 else f"{name}/take-{looks}"
            taken = await context.step(
                TAKE_STEP, question_id, asked.digest, close=timed_out, key=look, retry=STORE_RETRY
            )
    return taken


def _open_ids(context: "Context") -> list[str]:
    return cast("list[str]", context.shown.get("asking", []))
