"""One step's input in, one result or failure out; the same for every worker."""

import json
import logging
import time
from typing import Any, cast

import anyio

from hub.errors import InvalidInputError
from hub.workflows.failure import Failure
from hub.workflows.steps import StepInfo, Steps
from hub.workflows.values import to_json_text

_log = logging.getLogger(__name__)


class StepRunner:
    """Runs steps by name."""

    def __init__(self, steps: Steps, *, max_threads: int, max_payload_bytes: int) -> None:
        self._steps = steps
        self._threads = anyio.CapacityLimiter(max_threads)
        self._max_payload_bytes = max_payload_bytes

    async def run(self, name: str, run_id: str, given: Any) -> tuple[Any, str]:
        """Run one attempt.

        Args:
            given: the step's input, as the durable function scheduled it.

        Returns:
            The result as plain JSON, and as text.
        """
        payload = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        if not isinstance(payload.get("args"), dict) or not isinstance(payload.get("key"), str):
            raise InvalidInputError(f"step {name}: its input was not written by a durable function of this project")
        timeout_s = payload.get("timeout_s")
        info = StepInfo(
            run_id=run_id,
            name=name,
            key=payload["key"],
            attempt=int(payload.get("attempt", 1)),
            deadline=None if timeout_s is None else time.monotonic() + float(timeout_s),
        )
        result = await self._steps.named(name).run(payload["args"], info, self._threads)
        return result, to_json_text(result, f"the result of step {name}", self._max_payload_bytes)

    async def run_text(self, name: str, run_id: str, given: str) -> str | Failure:
        """Run one attempt on JSON text.

        Returns:
            The result as JSON text, or what is kept of the exception.
        """
        try:
            return (await self.run(name, run_id, json.loads(given) if given else None))[1]
        except Exception as error:  # noqa: BLE001 - the boundary: every failure of a step becomes data of its run
            _log.info("step %s of run %s failed", name, run_id, exc_info=error)
            return Failure.of(error)
