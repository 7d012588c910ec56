"""Steps between their arrival and Dapr's receipt, so that one that is handed out again is not run again here.

Dapr hands a step out again when it lost sight of the worker (its own restart, a broken connection). In this process
the step may still be running, or be done with its result undelivered: then the new token takes the old one's place.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from hub.workflows.sdk import service_pb

_KEPT = 256
_KEPT_FOR_S = 120.0

StepKey = tuple[str, str, int]


@dataclass(slots=True, kw_only=True)
class StepInFlight:
    """One step that this worker has taken."""

    request: service_pb.ActivityRequest
    token: str
    """Of the latest time that Dapr handed it out."""
    response: service_pb.ActivityResponse | None = None
    finished_at: float = field(default=0.0)


class StepsInFlight:
    """The steps that run here, and for a while those that have run."""

    def __init__(self) -> None:
        self._running: dict[StepKey, StepInFlight] = {}
        self._finished: OrderedDict[StepKey, StepInFlight] = OrderedDict()

    def arrived(self, request: service_pb.ActivityRequest, token: str) -> tuple[StepInFlight, bool]:
        """Take in what Dapr hands out.

        Returns:
            The step, and whether it is new here.
        """
        key = _key(request)
        known = self._running.get(key) or self._finished.get(key)
        if known is not None:
            known.token = token
            return known, False
        taken = self._running[key] = StepInFlight(request=request, token=token)
        return taken, True

    def finished(self, step: StepInFlight, response: service_pb.ActivityResponse) -> None:
        """The step has ended; its response is kept for a while."""
        key = _key(step.request)
        step.response, step.finished_at = response, time.monotonic()
        self._running.pop(key, None)
        self._finished[key] = step
        oldest_allowed = step.finished_at - _KEPT_FOR_S
        while self._finished:
            oldest = next(iter(self._finished))
            if len(self._finished) <= _KEPT and self._finished[oldest].finished_at >= oldest_allowed:
                break
            del self._finished[oldest]

    def abandoned(self, step: StepInFlight) -> None:
        """The step was given up; it is new when it comes again."""
        self._running.pop(_key(step.request), None)

    def __len__(self) -> int:
        return len(self._running)


def _key(request: service_pb.ActivityRequest) -> StepKey:
    return request.workflowInstance.instanceId, request.taskExecutionId, request.taskId
