"""The same work on many things, some of them at once."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def each_at_once(work: Callable[[T], Awaitable[None]], items: Iterable[T], *, at_most: int) -> None:
    """Do the work for each item.

    Raises:
        Exception: the first failure as it is, not in a group; the rest is cancelled.
    """
    limiter = anyio.CapacityLimiter(at_most)
    failure: Exception | None = None

    async def one(item: T, scope: anyio.CancelScope) -> None:
        nonlocal failure
        async with limiter:
            try:
                await work(item)
            except Exception as error:  # noqa: BLE001 - raised below, outside of the group, which would wrap it
                failure = failure or error
                scope.cancel()

    async with anyio.create_task_group() as group:
        for item in items:
            group.start_soon(one, item, group.cancel_scope)
    if failure is not None:
        raise failure
