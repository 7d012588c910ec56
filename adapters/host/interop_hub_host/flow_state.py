"""Where a flow's state is while it waits for feedback: crewai asks in the middle of a step, the store can wait."""

import json
from importlib import import_module
from typing import Any, cast

from .plain import to_plain
from .storage import Store

Json = dict[str, Any]

_KEY = "flow"


class PendingFlow:
    """One flow's state in memory; read from the store before the flow runs, written when it has paused."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._state: Json | None = None
        self.context: Any = None
        """crewai's `PendingFeedbackContext`, while the flow waits."""

    async def load(self) -> None:
        text = await self._store.get(_KEY)
        if text is not None:
            data = cast("Json", json.loads(text))
            context_class = import_module("crewai.flow.async_feedback.types").PendingFeedbackContext
            self._state = data["state"]
            self.context = context_class.from_dict(data["context"])

    async def save(self) -> None:
        if self.context is not None:
            data = {"state": self._state, "context": to_plain(self.context.to_dict())}
            await self._store.put({_KEY: json.dumps(data)})

    def persistence(self) -> Any:
        """Build what crewai takes for a database."""
        base: Any = import_module("crewai.flow.persistence.base").FlowPersistence
        pending = self

        class RunPersistence(base):
            persistence_type: str = "interop_hub_run"

            def init_db(self) -> None: ...

            def save_state(self, flow_uuid: str, method_name: str, state_data: Any) -> None:
                pending._state = to_plain(state_data)

            def load_state(self, flow_uuid: str) -> Json | None:
                return None

            def save_pending_feedback(self, flow_uuid: str, context: Any, state_data: Any) -> None:
                pending._state, pending.context = to_plain(state_data), context

            def load_pending_feedback(self, flow_uuid: str) -> tuple[Json, Any] | None:
                return None if pending.context is None else (pending._state or {}, pending.context)

            def clear_pending_feedback(self, flow_uuid: str) -> None:
                pending.context = None

        return RunPersistence()
