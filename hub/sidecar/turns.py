"""A worker's answer to a turn, applied in one transaction."""

import uuid
from collections.abc import Callable

from .activities import add_activity
from .history import (
    CONTINUED_AS_NEW,
    END_OF_TIME_S,
    FAILED,
    FINISHED,
    PENDING,
    RUNNING,
    STALLED,
    SUSPENDED,
    Event,
    append_history,
    from_timestamp,
    new_event,
    read_history,
    stamp,
    to_string_value,
    to_timestamp,
)
from .inbox import FIRST, MAX_EVENTS_PER_TURN, post
from .propagation import NONE, Scope, build_propagated
from .proto import actions_pb, orchestration_pb, service_pb
from .runs import NewRun, create_run, end_run, tell_parent
from .store import Transaction, Turn


def apply_turn(tx: Transaction, turn: Turn, answer: service_pb.WorkflowResponse, app_id: str) -> bool:
    """Write what a worker decided in a turn. False if the run has moved on and the answer is void."""
    row = tx.db.execute("SELECT execution_id, status, history_count FROM runs WHERE run = ?", (turn.run,)).fetchone()
    if row is None or row[0] != turn.execution_id or row[1] in FINISHED or row[2] != turn.history_count:
        return False
    _Application(tx, turn, answer, app_id, status=row[1]).apply()
    return True


def stall_run(tx: Transaction, turn: Turn) -> None:
    """Mark a run that no present worker can carry on; its inbox stays."""
    tx.db.execute(
        "UPDATE runs SET status = ?, updated_at = ? WHERE run = ? AND completed_at IS NULL",
        (STALLED, tx.now, turn.run),
    )
    tx.changed[turn.run_id] = STALLED


class _Application:
    def __init__(
        self,
        tx: Transaction,
        turn: Turn,
        answer: service_pb.WorkflowResponse,
        app_id: str,
        *,
        status: int,
    ) -> None:
        self._tx = tx
        self._turn = turn
        self._answer = answer
        self._app_id = app_id
        self._status = status
        self._trace = None if turn.trace is None else orchestration_pb.TraceContext.FromString(turn.trace)
        self._events: list[Event] = []
        """What the worker's actions come to."""
        self._completion: actions_pb.CompleteWorkflowAction | None = None

    def apply(self) -> None:
        tx, turn = self._tx, self._turn
        if self._answer.HasField("version"):
            turn.started.workflowStarted.version.CopyFrom(self._answer.version)
        tx.db.executemany("DELETE FROM inbox WHERE seq = ?", [(seq,) for seq in turn.taken])
        handlers: dict[str, Callable[[actions_pb.WorkflowAction], None]] = {
            "scheduleTask": self._schedule_activity,
            "createTimer": self._create_timer,
            "createChildWorkflow": self._create_child,
            "completeWorkflow": self._complete,
        }
        for action in self._answer.actions:
            kind = action.WhichOneof("workflowActionType") or "nothing"
            handler = handlers.get(kind)
            if handler is None:
                self._refuse(action, kind)
                break
            handler(action)
        self._finish()

    def _event(self, event_id: int) -> Event:
        event = new_event(self._tx.now, event_id)
        self._events.append(event)
        return event

    def _turn_events(self) -> list[bytes]:
        """All that the turn adds to the history so far."""
        turn = self._turn
        own = [event.SerializeToString() for event in self._events]
        return [turn.started.SerializeToString(), *turn.new_events, *own]

    def _schedule_activity(self, action: actions_pb.WorkflowAction) -> None:
        wanted = action.scheduleTask
        propagated = self._propagate(wanted.historyPropagationScope)
        event = self._event(action.id)
        task = event.taskScheduled
        task.name = wanted.name
        task.taskExecutionId = wanted.taskExecutionId
        if wanted.HasField("input"):
            task.input.value = wanted.input.value
        if wanted.HasField("version"):
            task.version.CopyFrom(wanted.version)
        if self._trace is not None:
            task.parentTraceContext.CopyFrom(self._trace)
        if propagated is not None:
            task.historyPropagationScope = wanted.historyPropagationScope
        turn = self._turn
        add_activity(self._tx, turn.run, turn.run_id, turn.execution_id, event, propagated)

    def _create_timer(self, action: actions_pb.WorkflowAction) -> None:
        wanted = action.createTimer
        timer = self._event(action.id).timerCreated
        timer.fireAt.CopyFrom(wanted.fireAt)
        if wanted.HasField("name"):
            timer.name = wanted.name
        match wanted.WhichOneof("origin"):
            case "createTimer":
                timer.createTimer.CopyFrom(wanted.createTimer)
            case "externalEvent":
                timer.externalEvent.CopyFrom(wanted.externalEvent)
            case "activityRetry":
                timer.activityRetry.CopyFrom(wanted.activityRetry)
            case "childWorkflowRetry":
                timer.childWorkflowRetry.CopyFrom(wanted.childWorkflowRetry)
            case None:
                pass
        set_timer(self._tx, self._turn.run, action.id, from_timestamp(wanted.fireAt))

    def _create_child(self, action: actions_pb.WorkflowAction) -> None:
        wanted, turn = action.createChildWorkflow, self._turn
        propagated = self._propagate(wanted.historyPropagationScope)
        child_id = wanted.instanceId or f"{turn.run_id}:{action.id:04x}"
        created = self._event(action.id).childWorkflowInstanceCreated
        created.instanceId = child_id
        created.name = wanted.name
        if wanted.HasField("input"):
            created.input.CopyFrom(wanted.input)
        if self._trace is not None:
            created.parentTraceContext.CopyFrom(self._trace)
        if propagated is not None:
            created.historyPropagationScope = wanted.historyPropagationScope
        if wanted.HasField("retryParentInstanceInfo"):
            created.retryParentInstanceInfo.CopyFrom(wanted.retryParentInstanceInfo)
        parent = orchestration_pb.ParentInstanceInfo(
            taskScheduledId=action.id,
            name=to_string_value(turn.name),
            workflowInstance=orchestration_pb.WorkflowInstance(
                instanceId=turn.run_id, executionId=to_string_value(turn.execution_id)
            ),
            appID=self._app_id,
        )
        child = NewRun(
            run_id=child_id,
            name=wanted.name,
            input=wanted.input.value if wanted.HasField("input") else None,
            parent=parent,
            trace=self._trace,
            propagated=propagated,
        )
        if not create_run(self._tx, child, self._app_id):
            details = orchestration_pb.TaskFailureDetails(
                errorType="WorkflowInstanceAlreadyExists",
                errorMessage=f"an active workflow with ID '{child_id}' already exists",
            )
            tell_parent(self._tx, parent, FAILED, None, details)

    def _complete(self, action: actions_pb.WorkflowAction) -> None:
        self._completion = action.completeWorkflow
        if self._completion.workflowStatus == CONTINUED_AS_NEW:
            return
        done = self._event(action.id).executionCompleted
        done.workflowStatus = self._completion.workflowStatus
        if self._completion.HasField("result"):
            done.result.value = self._completion.result.value
        if self._completion.HasField("failureDetails"):
            done.failureDetails.CopyFrom(self._completion.failureDetails)

    def _refuse(self, action: actions_pb.WorkflowAction, kind: str) -> None:
        failure = orchestration_pb.TaskFailureDetails(
            errorType="UnsupportedActionError",
            errorMessage=f"the embedded sidecar has no action '{kind}'; run this workflow on Dapr's own sidecar",
            isNonRetriable=True,
        )
        self._complete(
            actions_pb.WorkflowAction(
                id=action.id,
                completeWorkflow=actions_pb.CompleteWorkflowAction(workflowStatus=FAILED, failureDetails=failure),
            )
        )

    def _finish(self) -> None:
        tx, turn, completion = self._tx, self._turn, self._completion
        if self._answer.HasField("customStatus"):
            tx.db.execute(
                "UPDATE runs SET custom_status = ? WHERE run = ?", (self._answer.customStatus.value, turn.run)
            )
        if completion is not None and completion.workflowStatus == CONTINUED_AS_NEW:
            self._continue_as_new(completion)
            return
        count = append_history(tx.db, turn.run, turn.history_count, self._turn_events())
        if completion is not None:
            end_run(
                tx,
                turn.run,
                turn.run_id,
                completion.workflowStatus,
                history_count=count,
                started_at=tx.now,
                output=completion.result.value if completion.HasField("result") else None,
                failure=completion.failureDetails if completion.HasField("failureDetails") else None,
            )
            return
        status = SUSPENDED if self._status == SUSPENDED else RUNNING
        tx.db.execute(
            "UPDATE runs SET history_count = ?, status = ?, updated_at = ?, started_at = coalesce(started_at, ?)"
            " WHERE run = ?",
            (count, status, tx.now, tx.now, turn.run),
        )
        if self._status in {PENDING, STALLED}:
            tx.changed[turn.run_id] = status
        if len(turn.taken) == MAX_EVENTS_PER_TURN:
            tx.ready.append(turn.run)  # there may be more

    def _continue_as_new(self, completion: actions_pb.CompleteWorkflowAction) -> None:
        tx, turn = self._tx, self._turn
        execution_id = uuid.uuid4().hex
        (start_blob,) = tx.db.execute("SELECT start FROM runs WHERE run = ?", (turn.run,)).fetchone()
        start = Event.FromString(start_blob)
        stamp(start, tx.now)
        start.executionStarted.workflowInstance.executionId.value = execution_id
        start.executionStarted.ClearField("input")
        if completion.HasField("result"):
            start.executionStarted.input.CopyFrom(completion.result)
        tx.db.execute("DELETE FROM history WHERE run = ?", (turn.run,))
        tx.db.execute("DELETE FROM inbox WHERE run = ? AND NOT external", (turn.run,))
        status = SUSPENDED if self._status == SUSPENDED else RUNNING
        tx.db.execute(
            "UPDATE runs SET execution_id = ?, history_count = 0, status = ?, updated_at = ?, start = ?,"
            " started_at = coalesce(started_at, ?) WHERE run = ?",
            (execution_id, status, tx.now, start.SerializeToString(), tx.now, turn.run),
        )
        tx.ended.append(turn.run)
        tx.changed[turn.run_id] = status
        post(tx, turn.run, start, order_at=FIRST)
        for event in completion.carryoverEvents:
            post(tx, turn.run, event, external=True, order_at=FIRST)

    def _propagate(self, scope: Scope) -> bytes | None:
        if scope == NONE:
            return None
        past = read_history(self._tx.db, self._turn.run)
        return build_propagated(
            scope,
            app_id=self._app_id,
            run_id=self._turn.run_id,
            workflow_name=self._turn.name,
            own_events=[*past, *self._turn_events()],
            received=self._turn.propagated,
        )


def set_timer(tx: Transaction, run: int, timer_id: int, fire_at: float) -> None:
    """Have a timer fire into the run's inbox; one at the end of time never does."""
    if fire_at >= END_OF_TIME_S:
        return
    fired = new_event(fire_at)
    fired.timerFired.timerId = timer_id
    fired.timerFired.fireAt.CopyFrom(to_timestamp(fire_at))
    post(tx, run, fired, due_at=fire_at)
