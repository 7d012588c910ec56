"""Task groups that end with their block and raise what went wrong in them as it is."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def open_tasks() -> AsyncGenerator[TaskGroup]:
    """A group whose tasks are cancelled when the block ends; a single failure is raised without its group."""
    try:
        async with anyio.create_task_group() as tasks:
            try:
                yield tasks
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise first_leaf(group) from group


async def wait_first(*events: anyio.Event) -> None:
    """Wait until one of the events is set."""
    if any(event.is_set() for event in events):
        return
    async with anyio.create_task_group() as tasks:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        for event in events:
            tasks.start_soon(wait, event)


def first_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure in a group of groups."""
    first: BaseException = group.exceptions[0]
    return (
        first_leaf(cast("BaseExceptionGroup[BaseException]", first)) if isinstance(first, BaseExceptionGroup) else first
    )
