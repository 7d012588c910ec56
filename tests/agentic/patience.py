"""Waiting for what only shows when one looks; the time between two looks is for those that are waited for."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from hub.workflows import DaprConnection, DaprDownError, Runs, RunState

T = TypeVar("T")
PAUSE_S = 0.02


async def until(look: Callable[[], Awaitable[T]]) -> T:
    """What a look shows, once it shows something."""
    while not (seen := await look()):  # noqa: ASYNC110 - it is somebody else who tells nobody
        await anyio.sleep(PAUSE_S)
    return seen


async def answered(connection: DaprConnection) -> Sequence[RunState]:
    """The runs, once a Dapr that is being started again answers."""
    while True:
        try:
            return await Runs(connection).list()
        except DaprDownError:
            await anyio.sleep(PAUSE_S)
