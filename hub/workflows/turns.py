"""Turns of runs: history in, actions out."""

import logging

from hub.workflows.address import Method
from hub.workflows.crossing import Crossings, handed_back
from hub.workflows.driver import Driver
from hub.workflows.due import Due
from hub.workflows.failure import Failure
from hub.workflows.history_cache import HistoryCache
from hub.workflows.mismatch import mismatch
from hub.workflows.sdk import (
    StringValue,
    TurnResult,
    actions_pb,
    history_pb,
    new_registry,
    orchestration_pb,
    replay_turn,
    service_pb,
)
from hub.workflows.workflow import Functions

_log = logging.getLogger(__name__)
_sdk_log = logging.getLogger(f"{__name__}.sdk")
_sdk_log.setLevel(logging.WARNING)
_BEGINNING = 8
"""As many entries at the most until a history says what it is of."""


class Turns:
    """Plays the turns that arrive on one stream of work."""

    def __init__(
        self,
        functions: Functions,
        driver: Driver,
        read_history: Method[service_pb.GetInstanceHistoryResponse] | None,
        *,
        max_runs: int,
        max_bytes: int,
    ) -> None:
        self._functions = functions
        self._driver = driver
        self._read_history = read_history
        self._histories = HistoryCache(max_runs, max_bytes)
        self.due = Due()
        self._crossings = Crossings()
        self.renew()

    def renew(self) -> None:
        """Play what the functions are now, from the next turn on."""
        self._registry = new_registry()
        for each in self._functions:
            self._registry.add_named_orchestrator(
                each.name, self._driver.to_generator_workflow(each), each.version, each.latest
            )

    def begin_stream(self, *, hands_back: bool) -> None:
        """Dapr knows nothing of what an earlier stream has seen.

        Args:
            hands_back: whether it takes back a turn that may cross another one: see `hub.workflows.crossing`.
        """
        self._histories.clear()
        self._crossings.begin_stream(hands_back=hands_back)

    def forget(self, run_id: str) -> None:
        self._histories.forget(run_id)

    async def play(self, request: service_pb.WorkflowRequest, token: str) -> service_pb.WorkflowResponse:
        """Play one turn.

        Raises:
            DaprDownError: the history, which Dapr believed to be known here, cannot be read.
        """
        self.due.turn_arrived(request.instanceId, request.newEvents)
        committed = await self._committed(request)
        response = self.replay(request.instanceId, committed, list(request.newEvents))
        beginning = [*committed[:_BEGINNING], *request.newEvents]
        if self._crossings.take(request.instanceId, beginning, response):
            _log.info("run %s: its end waits for a second, for its parent's sake", request.instanceId)
            self.due.turn_handed_back(request.instanceId, request.newEvents)
            self._histories.forget(request.instanceId)
            return handed_back(request.instanceId, token)
        response.completionToken = token
        self.due.turn_answered(request.instanceId, beginning, response)
        if any(action.HasField("completeWorkflow") for action in response.actions):
            self._histories.forget(request.instanceId)
        else:
            self._histories.put(request.instanceId, committed)
        return response

    def replay(
        self, run_id: str, committed: list[history_pb.HistoryEvent], new: list[history_pb.HistoryEvent]
    ) -> service_pb.WorkflowResponse:
        """The actions that a turn comes to; no I/O."""
        try:
            result, problem = replay_turn(self._registry, _sdk_log, run_id, committed, new, mismatch)
        finally:
            self._driver.close_turns()
        if problem is not None:
            return _failed(run_id, problem)
        return _to_response(run_id, result)

    def failed(
        self, request: service_pb.WorkflowRequest, token: str, error: BaseException
    ) -> service_pb.WorkflowResponse:
        """The answer that ends the run with this error."""
        self._histories.forget(request.instanceId)
        response = _failed(request.instanceId, error)
        response.completionToken = token
        return response

    async def _committed(self, request: service_pb.WorkflowRequest) -> list[history_pb.HistoryEvent]:
        if not request.HasField("cachedHistory"):
            return list(request.pastEvents)
        known = self._histories.get(request.instanceId)
        if known is not None and len(known) == request.cachedHistory.eventCount:
            return [*known, *request.pastEvents]
        if self._read_history is None:
            raise ValueError("a turn without its history needs a connection to read it from")
        answer = await self._read_history(service_pb.GetInstanceHistoryRequest(instanceId=request.instanceId))
        return list(answer.events)


def _to_response(run_id: str, result: TurnResult) -> service_pb.WorkflowResponse:
    for action in result.actions:
        if action.HasField("completeWorkflow") and action.completeWorkflow.HasField("failureDetails"):
            # The trace holds paths; it stands in this process's log.
            action.completeWorkflow.failureDetails.ClearField("stackTrace")
    response = service_pb.WorkflowResponse(instanceId=run_id, actions=result.actions)
    if result.encoded_custom_status is not None:
        response.customStatus.CopyFrom(StringValue(value=result.encoded_custom_status))
    if result.version_name:
        response.version.name = result.version_name
    if result.patches:
        response.version.patches.extend(result.patches)
    return response


def _failed(run_id: str, error: BaseException) -> service_pb.WorkflowResponse:
    failure = Failure.of(error)
    details = orchestration_pb.TaskFailureDetails(errorType=failure.wire_type, errorMessage=failure.reason)
    completed = actions_pb.CompleteWorkflowAction(
        workflowStatus=orchestration_pb.ORCHESTRATION_STATUS_FAILED, failureDetails=details
    )
    return service_pb.WorkflowResponse(
        instanceId=run_id, actions=[actions_pb.WorkflowAction(id=-1, completeWorkflow=completed)]
    )
