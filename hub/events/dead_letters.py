"""Events whose handlers failed: what is kept of them, and how they get another chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from hub.errors import UnknownNameError, UnsupportedError
from hub.events.event import Event, Json
from hub.events.subscription import DELIVERY_PREFIX
from hub.workflows import DaprConnection, Runs, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a handler could not take."""

    run_id: str
    """Of the failed run; `replay` takes it."""
    handler: str
    event: Event
    error: str
    failed_at: datetime


class DeadLetters:
    """The failed runs of event handlers. They are told apart from what was published to the dead-letter topic: a topic
    can be listened to but not looked through, whichever broker it is; the runs can.
    """

    def __init__(self, dapr: DaprConnection) -> None:
        self._runs = Runs(dapr)

    async def list(self, *, topic: str | None = None) -> Sequence[DeadLetter]:
        """What waits for another chance, the newest first."""
        failed = await self._runs.list(statuses=["failed"])
        found: list[DeadLetter] = []
        for run in failed:
            if run.workflow.startswith(DELIVERY_PREFIX):
                letter = _letter(await self._runs.status(run.run_id))
                if letter is not None and topic in (None, letter.event.topic):
                    found.append(letter)
        return found

    async def replay(self, run_id: str) -> str:
        """Have the handler run again for the event, as a new run; the failed one is deleted.

        Returns:
            The new run's id.

        Raises:
            UnknownNameError: there is no such dead letter.
            UnsupportedError: no run can hold its event; only the dead-letter topic has it.
        """
        try:
            state = await self._runs.status(run_id)
        except UnknownNameError as error:
            raise UnknownNameError(f"there is no dead letter {run_id!r}; `hub events dead` lists them") from error
        if state.status != "failed" or _letter(state) is None:
            raise UnknownNameError(f"run {run_id} is no dead letter; `hub events dead` lists them")
        refused = (state.arguments or {}).get("refused")
        if refused is not None:
            raise UnsupportedError(
                f"the event of {run_id} can have no run ({refused}); its data went to the dead-letter topic alone"
            )
        started = await self._runs.rerun(run_id)
        await self._runs.delete(run_id)
        return started


def _letter(state: RunState) -> DeadLetter | None:
    event = (state.arguments or {}).get("event")
    if not isinstance(event, dict):
        return None
    return DeadLetter(
        run_id=state.run_id,
        handler=state.workflow.removeprefix(DELIVERY_PREFIX),
        event=Event(cast("Json", event)),
        error="" if state.failure is None else state.failure.reason,
        failed_at=state.updated_at,
    )
