"""Waiting for a Dapr that is being started again."""

from collections.abc import Sequence

import anyio

from hub.workflows import DaprConnection, DaprDownError, Runs, RunState


async def answered(connection: DaprConnection) -> Sequence[RunState]:
    """The runs, once somebody answers."""
    while True:
        try:
            return await Runs(connection).list()
        except DaprDownError:
            await anyio.sleep(0.05)
