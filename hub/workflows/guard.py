"""What stands where the event loop would be while a durable function runs.

A durable function is replayed: what it awaits must come out of the history. While its code runs, this stands in for the
running loop of the thread, so that whatever would start real work there (a timer, a task, a socket, a contended
lock) fails at its first touch of the loop, before anything has happened. What need not touch it is in `primitives`.
"""

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any, NoReturn, cast

from hub.workflows.errors import NotDurableError

INSTEAD = (
    "use `ctx.sleep` for time, `ctx.step(fn, ...)` for I/O and anything slow, `ctx.wait_event` or `ctx.ask` to wait "
    "for somebody, `ctx.gather` and `ctx.race` instead of tasks, locks and queues"
)


class GuardLoop:
    """Every use of it is refused; so is looking up the current task, which hashes it."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, attribute: str) -> NoReturn:
        raise NotDurableError(
            f"durable function {object.__getattribute__(self, '_name')!r} uses the event loop (`{attribute}`), "
            f"which a replay cannot repeat: {INSTEAD}"
        )

    def refuse(self, awaited: str) -> NoReturn:
        """Fail on behalf of what would not touch the loop."""
        raise NotDurableError(
            f"durable function {object.__getattribute__(self, '_name')!r} awaits `{awaited}`, which a replay cannot "
            f"repeat: {INSTEAD}"
        )

    def __hash__(self) -> int:
        raise NotDurableError(
            f"durable function {object.__getattribute__(self, '_name')!r} awaits something that is not durable: "
            f"{INSTEAD}"
        )

    def __eq__(self, other: object) -> bool:
        return self is other


@contextlib.contextmanager
def no_event_loop(name: str) -> Generator[None]:
    """Refuse the use of an event loop in this thread, on behalf of the durable function `name`."""
    running = _running_loop()
    guard = GuardLoop(name)
    guards.append(guard)
    _set_running_loop(guard)
    try:
        yield
    finally:
        _set_running_loop(running)
        guards.pop()


guards: list[GuardLoop] = []
"""As many as threads run durable code now, in no order."""


def refuse_here(awaited: str) -> None:
    """Fail if durable code runs in this thread; what may be awaited without touching the loop asks this."""
    loop = _running_loop()
    if isinstance(loop, GuardLoop):
        loop.refuse(awaited)


def _running_loop() -> object:
    return cast("Any", asyncio)._get_running_loop()


def _set_running_loop(loop: object) -> None:
    cast("Any", asyncio)._set_running_loop(loop)


def not_durable(name: str, awaited: object) -> NotDurableError:
    """The error for a durable function that awaited this."""
    what = "a bare `yield` (as `asyncio.sleep(0)` does)" if awaited is None else f"a {type(awaited).__name__}"
    return NotDurableError(f"durable function {name!r} awaits {what}, which a replay cannot repeat: {INSTEAD}")
