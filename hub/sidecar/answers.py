"""What workers answer, stored; an answer for which there is no room waits in memory."""

import logging
from collections.abc import Awaitable, Callable

from .activities import complete_activity
from .assignments import OutActivity, OutTurn
from .dispatch import Dispatcher
from .errors import StoreError
from .proto import service_pb
from .store import Store, Transaction
from .turns import apply_turn

logger = logging.getLogger(__name__)


class Answers:
    """Takes answers to turns and activities; one that was superseded is dropped."""

    def __init__(self, store: Store, dispatcher: Dispatcher, app_id: str) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._app_id = app_id
        self._unsaved: list[Callable[[], Awaitable[None]]] = []

    async def complete_turn(self, answer: service_pb.WorkflowResponse) -> None:
        """Store a worker's answer to a turn.

        Raises:
            StoreError: it cannot be stored now; the sidecar keeps it and tries again.
        """
        out = self._dispatcher.out.find_turn(answer)
        if out is None or out.is_saving:
            return
        kinds = {action.WhichOneof("workflowActionType") for action in answer.actions}
        if "workflowVersionNotAvailable" in kinds:
            await self._dispatcher.decline(out)
            return
        ends = "completeWorkflow" in kinds
        await self._save(
            out,
            lambda tx: apply_turn(tx, out.turn, answer, self._app_id),
            lambda: self._dispatcher.turn_saved(out, ends=ends),
        )

    async def complete_activity(self, answer: service_pb.ActivityResponse) -> None:
        """Store an activity's result.

        Raises:
            StoreError: it cannot be stored now; the sidecar keeps it and tries again.
        """
        out = self._dispatcher.out.find_activity(answer)
        if out is None or out.is_saving:
            return
        await self._save(
            out,
            lambda tx: complete_activity(tx, out.run, out.seq, out.item.activityRequest, answer),
            lambda: self._dispatcher.activity_saved(out),
        )

    async def _save(
        self, out: OutTurn | OutActivity, work: Callable[[Transaction], bool], saved: Callable[[], None]
    ) -> None:
        out.is_saving = True

        def settle(_counts: bool | None, error: BaseException | None) -> None:
            if isinstance(error, StoreError):
                self._unsaved.append(lambda: self._save(out, work, saved))
            elif error is not None:
                out.is_saving = False  # a defect: it is given out again when its lease is over or its worker goes
            else:
                saved()

        await self._store.change(work, settle)

    async def save_again(self) -> None:
        """Try once more to store the answers for which there was no room."""
        waiting, self._unsaved = self._unsaved, []
        for save in waiting:
            try:
                await save()
            except StoreError as error:
                logger.warning("an answer of a worker still waits to be stored: %s", error)
