"""Runs from outside: start, wait, steer, look."""

import json
import time
import uuid
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from hub.errors import CallTimeoutError, InvalidInputError, UnknownNameError
from hub.workflows.address import DaprConnection
from hub.workflows.at_once import each_at_once
from hub.workflows.context import ENVELOPE
from hub.workflows.errors import DaprDownError, DaprFailedError, RunCancelledError, RunFailedError, RunStateError
from hub.workflows.event_waits import wrap_event
from hub.workflows.ids import check_id
from hub.workflows.run_state import RunEvent, RunState, Status, to_run_event, to_run_state
from hub.workflows.sdk import WORKFLOW_SERVICE, StringValue, Timestamp, service_pb
from hub.workflows.trace import to_trace_context, trace_in
from hub.workflows.values import DEFAULT_MAX_PAYLOAD_BYTES, to_json_text, to_json_value
from hub.workflows.workflow import Workflow

if TYPE_CHECKING:
    from google.protobuf.message import Message

T = TypeVar("T")
M = TypeVar("M", bound="Message")

_PAGE = 500
_LOOKS_AT_ONCE = 16
_FIRST_LOOK_S, _LAST_LOOK_S = 0.05, 1.0
_LONGEST_POLL_S = 30.0


class Runs:
    """The runs that Dapr keeps; nothing of them is kept here."""

    def __init__(self, connection: DaprConnection) -> None:
        def method(name: str, reply: type[M]) -> Any:
            return connection.method(WORKFLOW_SERVICE, name, reply)

        self._start = method("StartInstance", service_pb.CreateInstanceResponse)
        self._get = method("GetInstance", service_pb.GetInstanceResponse)
        self._wait_started = method("WaitForInstanceStart", service_pb.GetInstanceResponse)
        self._wait_ended = method("WaitForInstanceCompletion", service_pb.GetInstanceResponse)
        self._raise = method("RaiseEvent", service_pb.RaiseEventResponse)
        self._terminate = method("TerminateInstance", service_pb.TerminateResponse)
        self._suspend = method("SuspendInstance", service_pb.SuspendResponse)
        self._resume = method("ResumeInstance", service_pb.ResumeResponse)
        self._purge = method("PurgeInstances", service_pb.PurgeInstancesResponse)
        self._list = method("ListInstanceIDs", service_pb.ListInstanceIDsResponse)
        self._history = method("GetInstanceHistory", service_pb.GetInstanceHistoryResponse)
        self._rerun = method("RerunWorkflowFromEvent", service_pb.RerunWorkflowFromEventResponse)

    async def start(
        self,
        workflow: Workflow[..., Any] | str,
        arguments: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        meta: Mapping[str, Any] | None = None,
        start_at: datetime | None = None,
    ) -> str:
        """Start a run, or attach to the one that has this id, finished or not.

        Args:
            arguments: by the names of the workflow's parameters.
            run_id: a new one unless given; 1 to 200 bytes without / \\ # ? and controls.
            meta: for `ctx.meta`; child runs inherit it. A `traceparent` in it, and `tracestate`, is the trace that the
                run goes on with.
            start_at: not before this moment, timezone-aware.

        Returns:
            The run's id.

        Raises:
            InvalidInputError: the arguments or the id do not fit, or the id belongs to a run of another workflow.
        """
        name = workflow if isinstance(workflow, str) else workflow.name
        given = dict(arguments or {})
        if isinstance(workflow, Workflow):
            payload = workflow.signature.dump((), given)
            workflow.signature.load(payload)
        else:
            payload = {key: to_json_value(value, f"argument `{key}` of {name}") for key, value in given.items()}
        if meta:
            payload[ENVELOPE] = {"meta": to_json_value(dict(meta), f"meta of {name}")}
        if run_id is not None and await self._is_there(check_id(run_id), name):
            return run_id
        request = service_pb.CreateInstanceRequest(
            instanceId=run_id or uuid.uuid4().hex, name=name, enforceUniqueInstanceId=run_id is not None
        )
        text = to_json_text(payload, f"the arguments of workflow {name}", DEFAULT_MAX_PAYLOAD_BYTES)
        request.input.CopyFrom(StringValue(value=text))
        if start_at is not None:
            stamp = Timestamp()
            stamp.FromDatetime(start_at)
            request.scheduledStartTimestamp.CopyFrom(stamp)
        trace = trace_in(meta or {})
        if trace:
            request.parentTraceContext.CopyFrom(to_trace_context(trace))
        try:
            await self._start(request)
        except RunStateError:
            if run_id is None or not await self._is_there(run_id, name):
                raise
        return request.instanceId

    async def run(
        self,
        workflow: Workflow[..., T],
        arguments: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        meta: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> T:
        """Start a run, or attach to it, and give its result.

        Raises:
            RunFailedError: it failed.
            RunCancelledError: it was cancelled.
            CallTimeoutError: it goes on, but not within `timeout_s`.
        """
        started = await self.start(workflow, arguments, run_id=run_id, meta=meta)
        return cast("T", workflow.signature.load_result(await self.result(started, timeout_s=timeout_s)))

    async def wait(self, run_id: str, *, timeout_s: float | None = None) -> RunState:
        """Wait until the run has ended, in whichever way; a Dapr that is away for a while is waited for.

        Raises:
            CallTimeoutError: it has not, within `timeout_s`.
            UnknownNameError: there is no such run.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        request = service_pb.GetInstanceRequest(instanceId=run_id, getInputsAndOutputs=True)
        delay, is_known = 0.05, False
        while True:
            left = _LONGEST_POLL_S if until is None else min(_LONGEST_POLL_S, until - time.monotonic())
            if left <= 0:
                raise CallTimeoutError(f"run {run_id} has not ended within {timeout_s:g} s; it goes on")
            began = time.monotonic()
            try:
                if not is_known:  # Dapr itself waits for a run that is not there
                    await self._existing(run_id)
                    is_known = True
                state = self._state_of(await self._wait_ended(request, timeout_s=left), run_id)
            except (DaprDownError, DaprFailedError):
                if time.monotonic() - began < left / 2:
                    await anyio.sleep(min(delay, left))
                    delay = min(delay * 2, 2.0)
                continue
            if state.is_finished:
                return state

    async def result(self, run_id: str, *, timeout_s: float | None = None) -> Any:
        """Wait until the run has ended and give its result, as plain JSON.

        Raises:
            RunFailedError: it failed.
            RunCancelledError: it was cancelled.
            CallTimeoutError: it goes on, but not within `timeout_s`.
        """
        state = await self.wait(run_id, timeout_s=timeout_s)
        if state.status == "cancelled":
            raise RunCancelledError(f"run {run_id} was cancelled")
        if state.status == "failed":
            kind, reason = (state.failure.error_type, state.failure.reason) if state.failure else ("", "")
            raise RunFailedError(
                f"run {run_id} failed: {kind}: {reason}", run_id=run_id, error_type=kind, reason=reason
            )
        return state.result

    async def status(self, run_id: str) -> RunState:
        """How the run is now, with its arguments and result.

        Raises:
            UnknownNameError: there is no such run.
        """
        return self._state_of(
            await self._get(service_pb.GetInstanceRequest(instanceId=run_id, getInputsAndOutputs=True)), run_id
        )

    async def send(self, run_id: str, event: str, data: object = None) -> None:
        """Send an event to the run, now or later waited for by `ctx.wait_event`.

        Raises:
            UnknownNameError: there is no such run.
        """
        plain = wrap_event(to_json_value(data, f"the data of event {event}"))
        text = to_json_text(plain, f"the data of event {event}", DEFAULT_MAX_PAYLOAD_BYTES)
        request = service_pb.RaiseEventRequest(instanceId=run_id, name=event)
        if plain is not None:
            request.input.CopyFrom(StringValue(value=text))
        await self._raise(request)

    async def cancel(self, run_id: str) -> None:
        """End the run and its children where they are; steps under way may still have their effect.

        Raises:
            UnknownNameError: there is no such run.
        """
        await self._existing(run_id)
        await self._terminate(service_pb.TerminateRequest(instanceId=run_id, recursive=True))

    async def pause(self, run_id: str) -> None:
        """Let nothing new begin in the run; what is under way ends, and counts after `resume`."""
        await self._unfinished(run_id, "paused")
        await self._suspend(service_pb.SuspendRequest(instanceId=run_id))

    async def resume(self, run_id: str) -> None:
        """Go on after `pause`."""
        await self._unfinished(run_id, "resumed")
        await self._resume(service_pb.ResumeRequest(instanceId=run_id))

    async def delete(self, run_id: str) -> None:
        """Delete a finished run and its children with all that is known of them.

        Raises:
            RunStateError: it has not ended.
            UnknownNameError: there is no such run.
        """
        state = await self._existing(run_id)
        if not state.is_finished:
            raise RunStateError(f"run {run_id} is {state.status}: cancel it first")
        await self._purge(service_pb.PurgeInstancesRequest(instanceId=run_id, recursive=True))

    async def history(self, run_id: str) -> list[RunEvent]:
        """All that has happened in the run so far.

        Raises:
            UnknownNameError: there is no such run.
        """
        await self._existing(run_id)
        answer = await self._history(service_pb.GetInstanceHistoryRequest(instanceId=run_id))
        return [to_run_event(number, event) for number, event in enumerate(answer.events)]

    async def events(self, run_id: str) -> AsyncGenerator[RunState | RunEvent]:
        """What happens in the run, from its beginning to its end: entries of its history, and its state on a change.

        Dapr tells nothing by itself, so this looks: often while something happens, once a second when nothing does.

        Raises:
            UnknownNameError: there is no such run.
        """
        seen, last, delay = 0, None, _FIRST_LOOK_S
        while True:
            state = await self.status(run_id)
            entries = await self.history(run_id) if last is None or _differs(state, last) else []
            if len(entries) < seen:  # it continued as new: another history
                seen = 0
            for entry in entries[seen:]:
                yield entry
            delay = _FIRST_LOOK_S if len(entries) > seen else min(delay * 1.5, _LAST_LOOK_S)
            seen = max(seen, len(entries))
            if last is None or (state.status, state.shown) != (last.status, last.shown):
                yield state
            if state.is_finished:
                return
            last = state
            with anyio.move_on_after(delay):
                await self._wait_ended(service_pb.GetInstanceRequest(instanceId=run_id), timeout_s=_LONGEST_POLL_S)

    async def list(
        self,
        *,
        workflow: str | None = None,
        statuses: Collection[Status] = (),
        since: datetime | None = None,
        children: bool = False,
        limit: int | None = None,
    ) -> list[RunState]:
        """The runs that fit, the newest first, without their arguments and results.

        Args:
            workflow: of this name only.
            statuses: in one of these only; none given: any.
            since: changed at or after this moment only.
            children: those that another run started, too.
            limit: at most so many.
        """
        found: list[RunState] = []

        async def look(run_id: str) -> None:
            try:
                state = replace(await self.status(run_id), arguments=None, result=None)
            except UnknownNameError:  # deleted since
                return
            if (
                (workflow is None or state.workflow == workflow)
                and (not statuses or state.status in statuses)
                and (since is None or state.updated_at >= since)
                and (children or state.parent_id is None)
            ):
                found.append(state)

        token: str | None = None
        while True:
            request = service_pb.ListInstanceIDsRequest(pageSize=_PAGE)
            if token is not None:
                request.continuationToken = token
            page = await self._list(request)
            await each_at_once(look, page.instanceIds, at_most=_LOOKS_AT_ONCE)
            token = page.continuationToken if page.HasField("continuationToken") else None
            if not token:
                break
        found.sort(key=lambda state: (state.created_at, state.run_id), reverse=True)
        return found[:limit]

    async def rerun(self, run_id: str, *, from_event: int | None = None, new_run_id: str | None = None) -> str:
        """Start a finished run again as a new one.

        Args:
            from_event: `RunEvent.event_id` of a step, timer or child: everything before it counts as done; from the
                beginning unless given.

        Returns:
            The new run's id.

        Raises:
            RunStateError: it has not ended.
            UnknownNameError: there is no such run, or no such event in it.
        """
        state = await self.status(run_id)
        if not state.is_finished:
            raise RunStateError(f"run {run_id} is {state.status}: only a finished run can be run again")
        if from_event is None:
            request = service_pb.CreateInstanceRequest(instanceId=new_run_id or uuid.uuid4().hex, name=state.workflow)
            if state.arguments is not None:
                request.input.CopyFrom(StringValue(value=json.dumps(dict(state.arguments))))
            await self._start(request)
            return request.instanceId
        answer = await self._rerun(
            service_pb.RerunWorkflowFromEventRequest(
                sourceInstanceID=run_id, eventID=from_event, newInstanceID=new_run_id or uuid.uuid4().hex
            )
        )
        return str(answer.newInstanceID)

    async def _existing(self, run_id: str) -> RunState:
        return self._state_of(await self._get(service_pb.GetInstanceRequest(instanceId=run_id)), run_id)

    async def _unfinished(self, run_id: str, done: str) -> None:
        state = await self._existing(run_id)
        if state.is_finished:
            raise RunStateError(f"run {run_id} is {state.status}: it cannot be {done}")

    async def _is_there(self, run_id: str, workflow: str) -> bool:
        try:
            state = await self._existing(run_id)
        except UnknownNameError:
            return False
        if state.workflow and state.workflow != workflow:  # Dapr knows the name only once the run has begun
            raise InvalidInputError(f"run {run_id} is one of {state.workflow}, not of {workflow}")
        return True

    def _state_of(self, answer: service_pb.GetInstanceResponse, run_id: str) -> RunState:
        if not answer.exists:
            raise UnknownNameError(f"there is no run {run_id}")
        return to_run_state(answer.workflowState)


def _differs(now: RunState, before: RunState) -> bool:
    return (now.updated_at, now.status) != (before.updated_at, before.status)
