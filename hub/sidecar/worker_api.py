"""The worker's half of the workflow service: work items out, answers in."""

from collections.abc import Mapping

from .answers import Answers
from .dispatch import Dispatcher
from .errors import StoppingError, StoreError
from .proto import Empty, service_pb
from .routing import WORKER_HEADER, WORKFLOWS_HEADER
from .wire import Call
from .workers import WorkStream


class WorkerApi:
    """RPCs of `TaskHubSidecarService` that workers call."""

    def __init__(self, dispatcher: Dispatcher, answers: Answers) -> None:
        self._dispatcher = dispatcher
        self._answers = answers
        self._streams: set[WorkStream] = set()
        self._is_stopping = False

    async def hello(self, _request: Empty, call: Call) -> Empty:
        self._dispatcher.seen(call.peer)
        worker, workflows = _declared(call.metadata)
        if worker and workflows is not None:
            self._dispatcher.redeclare(worker, workflows)
        return Empty()

    async def get_work_items(
        self,
        request: service_pb.GetWorkItemsRequest,
        call: Call,
    ) -> None:
        """Send work until the worker goes, or is given up."""
        worker, workflows = _declared(call.metadata)
        stream = WorkStream(call.peer, request.capabilities, worker=worker, workflows=workflows)
        if self._is_stopping:
            raise StoppingError("the sidecar is stopping")
        self._streams.add(stream)
        # Lets a worker know at once that it is connected, before there is any work.
        await call.send_headers()
        self._dispatcher.add(stream)
        try:
            while (item := await stream.items.get()) is not None:
                await call.write(item)
        finally:
            self._streams.discard(stream)
            self._dispatcher.remove(stream)
        raise StoppingError("the sidecar is stopping, or gave this worker's items to another; connect again")

    async def complete_turn(
        self,
        request: service_pb.WorkflowResponse,
        call: Call,
    ) -> service_pb.CompleteTaskResponse:
        self._dispatcher.seen(call.peer)
        try:
            await self._answers.complete_turn(request)
        except StoreError as error:
            raise StoppingError(f"kept in memory for now: {error}") from error
        return service_pb.CompleteTaskResponse()

    async def complete_activity(
        self,
        request: service_pb.ActivityResponse,
        call: Call,
    ) -> service_pb.CompleteTaskResponse:
        self._dispatcher.seen(call.peer)
        try:
            await self._answers.complete_activity(request)
        except StoreError as error:
            # RESOURCE_EXHAUSTED would make the SDK fail the activity: it reads it as "too large for ever".
            raise StoppingError(f"kept in memory for now: {error}") from error
        return service_pb.CompleteTaskResponse()

    def stop(self) -> None:
        """End all streams; their workers will look for a sidecar again."""
        self._is_stopping = True
        for stream in self._streams:
            stream.revoke()


def _declared(
    headers: Mapping[str, str | bytes],
) -> tuple[str, frozenset[str] | None]:
    """What a worker calls itself, and the names of the workflows that it says it has; None: it says nothing."""
    worker, workflows = headers.get(WORKER_HEADER, ""), headers.get(WORKFLOWS_HEADER)
    if not isinstance(workflows, bytes):
        return str(worker), None
    return str(worker), frozenset(workflows.decode(errors="replace").splitlines())
