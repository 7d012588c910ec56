"""Several things of a run at once: all of them, or the first."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from hub.errors import InvalidInputError
from hub.workflows.scheduler import Pending, Scheduler


async def gather(scheduler: Scheduler, awaitables: Sequence[Awaitable[Any]], *, return_errors: bool) -> list[Any]:
    """Run all, wait for each; see `Context.gather`."""
    started = [scheduler.start(each, "a part of a gather") for each in awaitables]
    try:
        for each in started:
            if not each.done:
                await _ended(each)
    except BaseException:
        for each in started:
            each.cancel()
        raise
    errors = [each.error() for each in started]
    first = next((error for error in errors if error is not None), None)
    if first is not None and not return_errors:
        raise first
    return [error if error is not None else each.result() for each, error in zip(started, errors, strict=True)]


async def race(scheduler: Scheduler, awaitables: Sequence[Awaitable[Any]]) -> tuple[int, Any]:
    """Run all, wait for the first; see `Context.race`."""
    if not awaitables:
        raise InvalidInputError("race: expected at least one")
    started = [scheduler.start(each, "a part of a race") for each in awaitables]
    first: Pending[None] = Pending("the first of a race")
    for each in started:
        each.when_done(lambda: first.resolve(None))
    try:
        await first
    finally:
        for each in started:
            if not each.done:
                each.cancel()
    won = next(n for n, each in enumerate(started) if each.done and not _was_cancelled(each))
    return won, started[won].result()


async def _ended(pending: Pending[Any]) -> None:
    """Wait for an end, good or bad."""
    ended: Pending[None] = Pending(pending.what)
    pending.when_done(lambda: ended.resolve(None))
    await ended


def _was_cancelled(pending: Pending[Any]) -> bool:
    return isinstance(pending.error(), asyncio.CancelledError)
