"""The Dapr that a command looks at: the one of the environment, else the embedded one of this configuration."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from hub.workflows import DaprConnection

T = TypeVar("T")


def on_dapr(config: Path | None, work: "Callable[[DaprConnection], Awaitable[T]]") -> T:
    """Do something on Dapr; an embedded sidecar that nobody runs is up for as long as this takes."""
    import anyio

    from hub.config import Places, find_config
    from hub.config.environment import variables
    from hub.runner.dapr import open_dapr_connection

    async def run() -> T:
        async with open_dapr_connection(Places.of(find_config(config)), variables()) as connection:
            return await work(connection)

    return anyio.run(run)
