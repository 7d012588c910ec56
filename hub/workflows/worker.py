"""The worker: takes turns and steps from Dapr on one event loop, and gives their results back.

The SDK's own worker does the same on threads, for about half as much CPU time again; durable functions run on either
(`sdk_runtime`). Replay is the SDK's.
"""

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, cast

import anyio
import anyio.abc
import grpc
import grpc.aio
from pydantic import BaseModel, ConfigDict, Field

from hub.errors import HubError, TooLargeError
from hub.workflows.address import DaprAddress, DaprConnection, Headers, anyio_cancellation, open_connection
from hub.workflows.at_once import each_at_once
from hub.workflows.crossing import is_known
from hub.workflows.driver import Driver
from hub.workflows.due import PATIENCE_S
from hub.workflows.errors import DaprDownError, DaprFailedError
from hub.workflows.failure import Failure
from hub.workflows.sdk import WORKFLOW_SERVICE, Empty, StringValue, orchestration_pb, service_pb
from hub.workflows.step_runner import StepRunner
from hub.workflows.steps_in_flight import StepInFlight, StepsInFlight
from hub.workflows.stuck import tell_if_stuck
from hub.workflows.turns import Turns
from hub.workflows.values import DEFAULT_MAX_PAYLOAD_BYTES
from hub.workflows.workflow import Functions

_log = logging.getLogger(__name__)
_STATEFUL_HISTORY = 2
_DELIVERY_TRIES_S = 30.0
_WAITS_AT_ONCE = 16
WORKER_HEADER = "hub-worker"
WORKFLOWS_HEADER = "hub-workflows-bin"


class WorkerSettings(BaseModel):
    """What one worker takes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_steps: int = Field(default=200, ge=1, le=100_000, description="Steps at once; more of them wait.")
    max_threads: int = Field(default=16, ge=1, le=1_000, description="Sync steps at once, each in a thread.")
    max_payload_bytes: int = Field(
        default=DEFAULT_MAX_PAYLOAD_BYTES, ge=1_024, description="Largest argument list or result, as JSON."
    )
    max_cached_runs: int = Field(default=500, ge=0, description="Runs whose history is kept between turns.")
    max_cached_bytes: int = Field(default=16 * 2**20, ge=0, description="Size of those histories together.")
    start_timeout_s: float = Field(default=30, gt=0, description="Seconds until Dapr has to be there at the start.")
    stop_timeout_s: float = Field(
        default=5, ge=0, description="Seconds that steps may still take when the worker stops."
    )
    taken_within_s: float = Field(
        default=10, gt=0, description="Seconds until Dapr has to count this worker; else the log tells."
    )
    keepalive_s: float = Field(default=20, gt=0, description="Seconds between signs of life to Dapr.")


class Worker:
    """Runs the durable functions and steps that Dapr hands out; made by `open_worker`."""

    def __init__(
        self,
        connection: DaprConnection,
        functions: Functions,
        settings: WorkerSettings,
        group: anyio.abc.TaskGroup,
    ) -> None:
        self._settings = settings
        self._group = group
        self._functions = functions
        self._id = uuid.uuid4().hex
        self._runner = StepRunner(
            functions.steps, max_threads=settings.max_threads, max_payload_bytes=settings.max_payload_bytes
        )
        self._slots = anyio.Semaphore(settings.max_steps)
        self._in_flight = StepsInFlight()
        self._work_items = connection.stream(WORKFLOW_SERVICE, "GetWorkItems", service_pb.WorkItem)
        self._hello = connection.method(WORKFLOW_SERVICE, "Hello", Empty)
        self._complete_turn = connection.method(
            WORKFLOW_SERVICE, "CompleteOrchestratorTask", service_pb.CompleteTaskResponse
        )
        self._complete_step = connection.method(
            WORKFLOW_SERVICE, "CompleteActivityTask", service_pb.CompleteTaskResponse
        )
        self._connection = connection
        self._wait_started = connection.method(WORKFLOW_SERVICE, "WaitForInstanceStart", service_pb.GetInstanceResponse)
        self._turns = Turns(
            functions,
            Driver(functions.steps, max_payload_bytes=settings.max_payload_bytes),
            connection.method(WORKFLOW_SERVICE, "GetInstanceHistory", service_pb.GetInstanceHistoryResponse),
            max_runs=settings.max_cached_runs,
            max_bytes=settings.max_cached_bytes,
        )
        self._ready = anyio.Event()
        self._stopping = False
        self._under_way = 0
        self._idle = anyio.Event()
        self._arrived = anyio.Event()
        self._stream: Any = None

    @property
    def steps_running(self) -> int:
        """Steps that hold a slot now; a run that waits for anything holds none."""
        return self._settings.max_steps - self._slots.value

    def renew(self) -> None:
        """Run what the functions are now; turns and steps under way end as they began."""
        self._turns.renew()
        self._group.start_soon(self._say_hello)

    async def wait_ready(self) -> None:
        """Wait until Dapr hands out work to this worker."""
        await self._ready.wait()

    async def serve(self) -> None:
        """Take work until cancelled; a lost connection is built again."""
        delay = 0.1
        while True:
            try:
                await self._take_items()
                reason = "Dapr ended the stream"
            except grpc.aio.AioRpcError as error:
                reason = error.code().name.lower()
            except HubError as error:
                reason = str(error)
            if self._ready.is_set():
                self._ready, delay = anyio.Event(), 0.1
            _log.info("no work from Dapr (%s); the next try is in about %.1f s", reason, delay)
            await anyio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, 5.0)

    async def drain(self) -> None:
        """Take no new steps, and wait until what is under way has ended, with the turns that follow from it."""
        self._stopping = True
        while True:
            while self._under_way:
                self._idle = anyio.Event()
                await self._idle.wait()
            if (wait_s := self._turns.due.wait_s()) > 0:
                self._arrived = anyio.Event()
                with anyio.move_on_after(wait_s):
                    await self._arrived.wait()
            elif written := self._turns.due.take_written():
                await each_at_once(self._wait_written, written, at_most=_WAITS_AT_ONCE)
            else:
                return

    async def _wait_written(self, run_id: str) -> None:
        """Wait until Dapr has done what a run's last turn asked for: it looks at the run only after that."""
        with contextlib.suppress(HubError):
            await self._wait_started(service_pb.GetInstanceRequest(instanceId=run_id), timeout_s=PATIENCE_S)

    async def _take_items(self) -> None:
        # Dapr sends nothing on the stream, not even headers, until there is work: Hello tells that it is there.
        headers = self._headers
        await self._hello(Empty(), timeout_s=10.0, headers=headers)
        self._turns.begin_stream(hands_back=await is_known(self._connection))
        request = service_pb.GetWorkItemsRequest(capabilities=cast("Any", [_STATEFUL_HISTORY]))
        stream = self._work_items(request, headers)
        try:
            async with anyio.create_task_group() as group:
                self._ready.set()
                group.start_soon(self._keep_alive)
                group.start_soon(tell_if_stuck, self._connection, self._settings.taken_within_s)
                await self._read(stream)
                group.cancel_scope.cancel()
        except* grpc.aio.AioRpcError as errors:
            raise errors.exceptions[0] from errors
        finally:
            stream.cancel()

    async def _read(self, stream: Any) -> None:
        self._stream = stream
        try:
            async for item in cast("AsyncIterable[service_pb.WorkItem]", stream):
                self._take(item)
        except asyncio.CancelledError:
            await anyio_cancellation()
            if self._stream is stream:
                raise

    def _drop_stream(self) -> None:
        """Have Dapr hand out again what it gave to this stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    def _take(self, item: service_pb.WorkItem) -> None:
        if item.HasField("workflowRequest"):
            self._start(self._turn, item.workflowRequest, item.completionToken)
            self._arrived.set()
        elif item.HasField("activityRequest") and not self._stopping:
            step, is_new = self._in_flight.arrived(item.activityRequest, item.completionToken)
            if is_new:
                self._start(self._step, step)
            elif step.response is not None:
                self._start(self._deliver, step)

    def _start(self, work: Any, *args: object) -> None:
        self._under_way += 1
        self._group.start_soon(self._tracked, work, *args)

    async def _tracked(self, work: Any, *args: object) -> None:
        try:
            await work(*args)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _keep_alive(self) -> None:
        while True:
            await anyio.sleep(self._settings.keepalive_s)
            await self._say_hello()

    async def _say_hello(self) -> None:
        with contextlib.suppress(HubError):
            await self._hello(Empty(), timeout_s=10.0, headers=self._headers)

    @property
    def _headers(self) -> Headers:
        """Tells the embedded sidecar what this worker has, so that it is given no runs of other programs; Dapr's own
        sidecar takes no notice.
        """
        names = sorted({each.name for each in self._functions})
        return ((WORKER_HEADER, self._id), (WORKFLOWS_HEADER, "\n".join(names).encode()))

    async def _turn(self, request: service_pb.WorkflowRequest, token: str) -> None:
        try:
            response = await self._turns.play(request, token)
        except HubError as error:
            _log.info(
                "run %s: its history cannot be read (%s); Dapr hands the turn out again", request.instanceId, error
            )
            self._drop_stream()
            return
        try:
            await self._complete_turn(response)
        except TooLargeError as error:
            await self._try(self._complete_turn(self._turns.failed(request, token, error)), request.instanceId)
        except HubError as error:
            self._turns.forget(request.instanceId)
            _log.info("run %s: the turn was not taken (%s); Dapr hands it out again", request.instanceId, error)

    async def _step(self, step: StepInFlight) -> None:
        request = step.request
        run_id = request.workflowInstance.instanceId
        try:
            async with self._slots:
                outcome = await self._runner.run_text(request.name, run_id, request.input.value)
        except BaseException:
            self._in_flight.abandoned(step)
            raise
        response = service_pb.ActivityResponse(instanceId=run_id, taskId=request.taskId)
        if isinstance(outcome, Failure):
            response.failureDetails.CopyFrom(to_details(outcome))
        else:
            response.result.CopyFrom(StringValue(value=outcome))
        self._in_flight.finished(step, response)
        await self._deliver(step)

    async def _deliver(self, step: StepInFlight) -> None:
        """Give a step's response to Dapr, under the token of the latest time that it was handed out."""
        response = service_pb.ActivityResponse()
        response.CopyFrom(cast("service_pb.ActivityResponse", step.response))
        until = time.monotonic() + _DELIVERY_TRIES_S
        delay = 0.1
        while True:
            response.completionToken = step.token
            self._turns.due.step_ended(response.instanceId, response.taskId)
            try:
                await self._complete_step(response)
            except (DaprDownError, DaprFailedError):
                self._turns.due.step_refused(response.instanceId, response.taskId)
                if time.monotonic() + delay > until or self._stopping:
                    return
                await anyio.sleep(delay)
                delay = min(delay * 2, 5.0)
            except TooLargeError as error:
                response.ClearField("result")
                response.failureDetails.CopyFrom(to_details(Failure.of(error)))
            except HubError as error:
                self._turns.due.step_refused(response.instanceId, response.taskId)
                _log.warning("step %s of run %s: %s", step.request.name, response.instanceId, error)
                return
            else:
                return

    async def _try(self, call: Any, run_id: str) -> None:
        try:
            await call
        except HubError as error:
            _log.warning("run %s: %s", run_id, error)


def to_details(failure: Failure) -> orchestration_pb.TaskFailureDetails:
    """A failure as Dapr keeps it."""
    return orchestration_pb.TaskFailureDetails(errorType=failure.wire_type, errorMessage=failure.reason)


@contextlib.asynccontextmanager
async def open_worker(
    where: DaprAddress | DaprConnection, functions: Functions, settings: WorkerSettings | None = None
) -> AsyncGenerator[Worker]:
    """Run durable functions and their steps while the context lasts.

    Raises:
        DaprDownError: Dapr was not there in `settings.start_timeout_s`.
    """
    settings = settings or WorkerSettings()
    failure: Exception | None = None
    async with contextlib.AsyncExitStack() as stack:
        connection = (
            where if isinstance(where, DaprConnection) else await stack.enter_async_context(open_connection(where))
        )
        group = await stack.enter_async_context(anyio.create_task_group())
        worker = Worker(connection, functions, settings, group)
        group.start_soon(worker.serve)
        stack.callback(group.cancel_scope.cancel)
        try:
            await _until_ready(worker, settings, connection.address)
            yield worker
            with anyio.move_on_after(settings.stop_timeout_s):
                await worker.drain()
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group, which would wrap it
            failure = error
    if failure is not None:
        raise failure


async def _until_ready(worker: Worker, settings: WorkerSettings, address: DaprAddress) -> None:
    with anyio.move_on_after(settings.start_timeout_s):
        await worker.wait_ready()
        return
    raise DaprDownError(f"no Dapr at {address.target}: start one (`hub up`)")
