"""asyncio's locks, queues and streams, made to ask whether durable code runs.

One that need not wait (a free lock, a filled queue) never touches the event loop, so the guard alone does not see it.
Each is given a question in front, once a process: does a guard stand where the loop would be in this thread? Everywhere
else, in steps and in any other code, it goes on to what asyncio has. anyio's ask for the current task, which the guard
refuses.
"""

import asyncio
import asyncio.coroutines
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Final, cast

from hub.workflows.guard import guards, refuse_here

AWAITED: Final[tuple[tuple[type, tuple[str, ...]], ...]] = (
    (asyncio.Lock, ("acquire",)),
    (asyncio.Semaphore, ("acquire",)),
    (asyncio.Event, ("wait",)),
    (asyncio.Condition, ("wait", "wait_for")),
    (asyncio.Barrier, ("wait",)),
    (asyncio.Queue, ("get", "put", "join")),
    (asyncio.StreamReader, ("read", "readline", "readexactly", "readuntil")),
    (asyncio.StreamWriter, ("drain", "wait_closed")),
)
"""What may be awaited without waiting."""


@functools.cache
def watch_primitives() -> None:
    """Have them refused in durable code, in this process, from now on."""
    for owner, names in AWAITED:
        for name in names:
            original = getattr(owner, name)
            takes_more = len(inspect.signature(original).parameters) > 1
            form = _asking_with_arguments if takes_more else _asking
            asking = functools.wraps(original)(form(original, f"asyncio.{owner.__name__}.{name}"))
            setattr(owner, name, _marked(asking))


def _asking(original: Callable[[Any], Any], what: str) -> Callable[..., Any]:
    def asking(self: Any) -> Any:
        if guards:  # in some thread; nearly always there is none, which costs next to nothing
            refuse_here(what)
        return original(self)

    return asking


def _asking_with_arguments(original: Callable[..., Any], what: str) -> Callable[..., Any]:
    def asking(*args: Any, **kwargs: Any) -> Any:
        if guards:
            refuse_here(what)
        return original(*args, **kwargs)

    return asking


def _marked(asking: Callable[..., Any]) -> Callable[..., Any]:
    """Let asyncio take it for the coroutine function that it stands for."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(asking)
    cast("Any", asking)._is_coroutine = cast("Any", asyncio.coroutines)._is_coroutine
    return asking
