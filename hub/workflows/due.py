"""What Dapr is about to hand out because of what a worker told it.

daprd 1.18.2 never recovers when a turn of a run begins just as its last worker leaves: the turn waits for a worker, the
leaving waits for the turn, and the next worker waits for the leaving. So a worker leaves only once nothing is due.

Source: Dapr v1.18.2, pkg/runtime/wfengine/wfengine.go (`actorRegLock`), and https://github.com/dapr/dapr/pull/10408
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from hub.workflows.sdk import history_pb, orchestration_pb, service_pb

PATIENCE_S = 2.0
"""After that it is not waited for: another worker may have it, or the run has been cancelled."""

_START = -1
Key = tuple[str, int]


class Due:
    """The turns that have to follow, and the runs that Dapr may still be writing."""

    def __init__(self) -> None:
        self._turns: OrderedDict[Key, float] = OrderedDict()
        self._written: OrderedDict[str, float] = OrderedDict()

    def step_ended(self, run_id: str, task_id: int) -> None:
        """A step's result is given to Dapr; a turn of its run brings it."""
        self._expect((run_id, task_id))

    def step_refused(self, run_id: str, task_id: int) -> None:
        """Dapr has not taken it."""
        self._turns.pop((run_id, task_id), None)

    def turn_arrived(self, run_id: str, events: Iterable[history_pb.HistoryEvent]) -> None:
        """A turn is here."""
        for key in _keys(run_id, events):
            self._turns.pop(key, None)

    def turn_handed_back(self, run_id: str, events: Iterable[history_pb.HistoryEvent]) -> None:
        """A turn that had arrived comes once more."""
        for key in _keys(run_id, events):
            self._expect(key)

    def turn_answered(
        self, run_id: str, history: Iterable[history_pb.HistoryEvent], response: service_pb.WorkflowResponse
    ) -> None:
        """A turn was played; what it asks for has turns of its own.

        Args:
            history: the run's, whose beginning tells its parent.
        """
        ended = False
        for action in response.actions:
            if action.HasField("createChildWorkflow") and not action.router.targetAppID:
                self._expect((action.createChildWorkflow.instanceId, _START))
            elif action.HasField("completeWorkflow"):
                ended = True
                if action.completeWorkflow.workflowStatus == orchestration_pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
                    self._expect((run_id, _START))
                else:
                    self._expect_at_parent(history)
        self._written.pop(run_id, None)
        if not ended:
            self._written[run_id] = time.monotonic()
            _forget_old(self._written)

    def wait_s(self) -> float:
        """Seconds for which it is worthwhile to wait for the next turn; 0 if none is due."""
        _forget_old(self._turns)
        if not self._turns:
            return 0
        return next(reversed(self._turns.values())) + PATIENCE_S - time.monotonic()

    def take_written(self) -> list[str]:
        """The runs that had a turn a moment ago and have not ended, each once."""
        _forget_old(self._written)
        taken = list(self._written)
        self._written.clear()
        return taken

    def _expect(self, key: Key) -> None:
        self._turns.pop(key, None)
        self._turns[key] = time.monotonic()
        _forget_old(self._turns)

    def _expect_at_parent(self, history: Iterable[history_pb.HistoryEvent]) -> None:
        for event in history:
            if event.HasField("executionStarted"):
                parent = event.executionStarted.parentInstance
                if parent.workflowInstance.instanceId:
                    self._expect((parent.workflowInstance.instanceId, parent.taskScheduledId))
                return


_ENDS = frozenset({"taskCompleted", "taskFailed", "childWorkflowInstanceCompleted", "childWorkflowInstanceFailed"})


def _keys(run_id: str, events: Iterable[history_pb.HistoryEvent]) -> Iterator[Key]:
    """What a turn with these events was due for."""
    for event in events:
        kind = event.WhichOneof("eventType")
        if kind == "executionStarted":
            yield run_id, _START
        elif kind in _ENDS:
            yield run_id, getattr(event, kind).taskScheduledId


def _forget_old(entries: "OrderedDict[Key, float] | OrderedDict[str, float]") -> None:
    oldest_allowed = time.monotonic() - PATIENCE_S
    while entries and next(iter(entries.values())) < oldest_allowed:
        entries.popitem(last=False)
