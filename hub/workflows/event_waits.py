"""Waits for events by name: each event goes to one waiter, and one that gave up takes none."""

from collections import deque
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from hub.errors import InvalidInputError
from hub.workflows.errors import EventTimeoutError
from hub.workflows.scheduler import Pending

if TYPE_CHECKING:
    from hub.workflows.context import Context
    from hub.workflows.sdk import SdkTask

_WRAPPED = "hub/event"


class EventWaits:
    """Stands between the waiters of a run and the SDK.

    The SDK gives an event to its oldest wait, also when the code that waited lost a race long ago. Here at most one
    wait a name is open in the SDK, and what it brings goes to the oldest waiter that still waits, or is kept.
    """

    def __init__(self, context: "Context") -> None:
        self._context = context
        self._waiters: dict[str, deque[Pending[Any]]] = {}
        self._kept: dict[str, deque[Any]] = {}
        self._open: set[str] = set()

    def wait(self, name: str) -> Pending[Any]:
        folded = name.casefold()
        pending: Pending[Any] = Pending(f"event {name!r}")
        kept = self._kept.get(folded)
        if kept:
            pending.resolve(kept.popleft())
            return pending
        self._waiters.setdefault(folded, deque()).append(pending)
        self._open_wait(name, folded)
        return pending

    async def wait_for(self, name: str, adapter: TypeAdapter[Any] | None, timeout_s: float | None) -> Any:
        """The data of the next event of this name; see `Context.wait_event`.

        Args:
            adapter: makes the data into what is wanted; None takes it as it is.
        """
        if timeout_s is None:
            data = await self.wait(name)
        else:
            first, data = await self._context.race(self.wait(name), self._context.sleep(timeout_s))
            if first == 1:
                raise EventTimeoutError(f"no event {name!r} came within {timeout_s:g} s")
        data = unwrap_event(data)
        if adapter is None:
            return data
        try:
            return adapter.validate_python(data)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False)[0]
            raise InvalidInputError(f"the data of event {name!r}: {problem['loc']}: {problem['msg']}") from error

    def _open_wait(self, name: str, folded: str) -> None:
        if folded in self._open:
            return
        self._open.add(folded)

        def settle(task: "SdkTask") -> None:
            self._open.discard(folded)
            data = task.get_result()
            waiters = self._waiters.get(folded, deque[Pending[Any]]())
            while waiters:
                waiter = waiters.popleft()
                if not waiter.done:
                    waiter.resolve(data)
                    break
            else:
                self._kept.setdefault(folded, deque()).append(data)
            if any(not waiter.done for waiter in waiters):
                self._open_wait(name, folded)

        self._context.scheduler.wait_for(self._context.turn.wait_for_external_event(name), settle)


def wrap_event(data: object) -> object:
    """Event data as it is sent: the SDK drops `0`, `""`, `[]` and `false` when a run begins anew, unless wrapped."""
    return data if data or data is None else {_WRAPPED: data}


def unwrap_event(data: object) -> Any:
    """Event data as it was meant."""
    if isinstance(data, dict):
        fields = cast("dict[str, Any]", data)
        return fields[_WRAPPED] if fields.keys() == {_WRAPPED} else fields
    return data
