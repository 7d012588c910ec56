"""The client's half of the workflow service: start, look, wait, signal, end, delete."""

import math
import sqlite3
import uuid
from collections.abc import Callable

from . import runs
from .errors import AlreadyExistsError, InvalidRequestError, NotFoundError
from .history import FINISHED, PENDING, RUNNING, SUSPENDED, Event, from_timestamp, read_history, to_timestamp
from .inbox import post
from .proto import BoolValue, history_pb, orchestration_pb, service_pb
from .rerun import rerun_from_event
from .store import Store, Transaction
from .waiting import StatusWaiters
from .wire import Call

PAGE_SIZE = 1024
PURGED_AT_ONCE = 500


class ClientApi:
    """RPCs of `TaskHubSidecarService` that clients call."""

    def __init__(self, store: Store, app_id: str) -> None:
        self._store = store
        self._app_id = app_id
        self._waiters = StatusWaiters(store)

    def stop(self) -> None:
        """End all long polls; their clients will ask again."""
        self._waiters.stop()

    async def start(
        self,
        request: service_pb.CreateInstanceRequest,
        call: Call,
    ) -> service_pb.CreateInstanceResponse:
        if not request.name:
            raise InvalidRequestError("a run needs the name of its workflow")
        scheduled = request.scheduledStartTimestamp if request.HasField("scheduledStartTimestamp") else None
        new = runs.NewRun(
            run_id=request.instanceId or uuid.uuid4().hex,
            name=request.name,
            input=request.input.value if request.HasField("input") else None,
            version=request.version.value if request.HasField("version") else None,
            scheduled_at=None if scheduled is None else from_timestamp(scheduled),
            trace=_trace_of(request, call),
            tags=tuple(request.tags.items()),
        )
        if not await self._store.change(lambda tx: runs.create_run(tx, new, self._app_id)):
            raise AlreadyExistsError(f"a run with the id '{new.run_id}' is alive already")
        return service_pb.CreateInstanceResponse(instanceId=new.run_id)

    async def get(self, request: service_pb.GetInstanceRequest, _context: object) -> service_pb.GetInstanceResponse:
        return self._store.read(
            lambda db: runs.read_state(db, request.instanceId, payloads=request.getInputsAndOutputs)
        )

    async def wait_for_start(
        self, request: service_pb.GetInstanceRequest, _context: object
    ) -> service_pb.GetInstanceResponse:
        return await self._wait(request, lambda status: status != PENDING)

    async def wait_for_completion(
        self, request: service_pb.GetInstanceRequest, _context: object
    ) -> service_pb.GetInstanceResponse:
        return await self._wait(request, lambda status: status in FINISHED)

    async def _wait(
        self, request: service_pb.GetInstanceRequest, is_reached: Callable[[int], bool]
    ) -> service_pb.GetInstanceResponse:
        found = self._store.read(lambda db: runs.find_run(db, request.instanceId))
        if found is None or is_reached(found[1]):
            return await self.get(request, None)
        while True:
            await self._waiters.wait(request.instanceId, is_reached)
            answer = await self.get(request, None)
            if not answer.exists or is_reached(answer.workflowState.workflowStatus):
                return answer

    async def raise_event(
        self, request: service_pb.RaiseEventRequest, _context: object
    ) -> service_pb.RaiseEventResponse:
        raised = history_pb.EventRaisedEvent(
            name=request.name, input=request.input if request.HasField("input") else None
        )

        def work(tx: Transaction) -> None:
            run, status = _find(tx.db, request.instanceId)
            if status not in FINISHED:
                stamp = to_timestamp(tx.now)
                post(tx, run, Event(eventId=-1, timestamp=stamp, eventRaised=raised), external=True)

        await self._store.change(work)
        return service_pb.RaiseEventResponse()

    async def terminate(self, request: service_pb.TerminateRequest, _context: object) -> service_pb.TerminateResponse:
        output = request.output.value if request.HasField("output") else None

        def work(tx: Transaction) -> None:
            _find(tx.db, request.instanceId)
            runs.terminate_run(tx, request.instanceId, output=output, recurse=request.recursive)

        await self._store.change(work)
        return service_pb.TerminateResponse()

    async def suspend(self, request: service_pb.SuspendRequest, _context: object) -> service_pb.SuspendResponse:
        suspended = history_pb.ExecutionSuspendedEvent(input=request.reason if request.HasField("reason") else None)

        def work(tx: Transaction) -> None:
            run, status = _find(tx.db, request.instanceId)
            if status in FINISHED or status == SUSPENDED:
                return
            tx.db.execute("UPDATE runs SET status = ?, updated_at = ? WHERE run = ?", (SUSPENDED, tx.now, run))
            tx.changed[request.instanceId] = SUSPENDED
            stamp = to_timestamp(tx.now)
            post(tx, run, Event(eventId=-1, timestamp=stamp, executionSuspended=suspended), external=True)

        await self._store.change(work)
        return service_pb.SuspendResponse()

    async def resume(self, request: service_pb.ResumeRequest, _context: object) -> service_pb.ResumeResponse:
        resumed = history_pb.ExecutionResumedEvent(input=request.reason if request.HasField("reason") else None)

        def work(tx: Transaction) -> None:
            run, status = _find(tx.db, request.instanceId)
            if status != SUSPENDED:
                return
            ((status,),) = tx.db.execute(
                "UPDATE runs SET status = CASE WHEN history_count = 0 THEN ? ELSE ? END, updated_at = ? WHERE run = ?"
                " RETURNING status",
                (PENDING, RUNNING, tx.now, run),
            ).fetchall()
            tx.changed[request.instanceId] = status
            stamp = to_timestamp(tx.now)
            post(tx, run, Event(eventId=-1, timestamp=stamp, executionResumed=resumed), external=True)

        await self._store.change(work)
        return service_pb.ResumeResponse()

    async def purge(
        self, request: service_pb.PurgeInstancesRequest, _context: object
    ) -> service_pb.PurgeInstancesResponse:
        if request.HasField("instanceId"):
            count = await self._store.change(
                lambda tx: runs.purge_run(tx, request.instanceId, recursive=request.recursive, force=request.force)
            )
        else:
            wanted = request.purgeInstanceFilter
            start = from_timestamp(wanted.createdTimeFrom) if wanted.HasField("createdTimeFrom") else -math.inf
            end = from_timestamp(wanted.createdTimeTo) if wanted.HasField("createdTimeTo") else math.inf
            count, has_more = 0, True
            while has_more:  # in pieces, so that others have their turn in between
                purged, has_more = await self._store.change(
                    lambda tx: runs.purge_runs(
                        tx,
                        created_from=start,
                        created_to=end,
                        statuses=wanted.runtimeStatus,
                        recursive=request.recursive,
                        limit=PURGED_AT_ONCE,
                    )
                )
                count += purged
        return service_pb.PurgeInstancesResponse(deletedInstanceCount=count, isComplete=BoolValue(value=True))

    async def list_ids(
        self, request: service_pb.ListInstanceIDsRequest, _context: object
    ) -> service_pb.ListInstanceIDsResponse:
        limit = min(request.pageSize or PAGE_SIZE, PAGE_SIZE)
        token = request.continuationToken or "0"
        if not token.isdecimal():
            raise InvalidRequestError("the continuation token is not one that this sidecar gave")
        ids, after = self._store.read(lambda db: runs.list_run_ids(db, int(token), limit))
        return service_pb.ListInstanceIDsResponse(
            instanceIds=ids, continuationToken=None if after is None else str(after)
        )

    async def get_history(
        self, request: service_pb.GetInstanceHistoryRequest, _context: object
    ) -> service_pb.GetInstanceHistoryResponse:
        events = self._store.read(lambda db: read_history(db, _find(db, request.instanceId)[0]))
        return service_pb.GetInstanceHistoryResponse(events=[Event.FromString(event) for event in events])

    async def rerun(
        self, request: service_pb.RerunWorkflowFromEventRequest, _context: object
    ) -> service_pb.RerunWorkflowFromEventResponse:
        new_id = await self._store.change(lambda tx: rerun_from_event(tx, request, self._app_id))
        return service_pb.RerunWorkflowFromEventResponse(newInstanceID=new_id)


def _find(db: sqlite3.Connection, run_id: str) -> tuple[int, int]:
    found = runs.find_run(db, run_id)
    if found is None:
        raise NotFoundError(f"there is no run '{run_id}'")
    return found


def _trace_of(
    request: service_pb.CreateInstanceRequest,
    call: Call,
) -> orchestration_pb.TraceContext | None:
    """The caller's trace: from the request, else from the W3C headers of the call."""
    if request.HasField("parentTraceContext"):
        return request.parentTraceContext
    headers = {key: value for key, value in call.metadata.items() if isinstance(value, str)}
    parent = headers.get("traceparent", "")
    parts = parent.split("-")
    if len(parts) != 4:  # W3C Trace Context: version, trace id, parent id, flags
        return None
    trace = orchestration_pb.TraceContext(traceParent=parent, spanID=parts[2])
    if headers.get("tracestate"):
        trace.traceState.value = headers["tracestate"]
    return trace
