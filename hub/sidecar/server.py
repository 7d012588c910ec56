"""The sidecar put together: store, dispatch, services, gRPC and HTTP."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from .answers import Answers
from .broker import Broker
from .client_api import ClientApi
from .dispatch import Dispatcher
from .due import DueTimers
from .errors import AddressInUseError, SidecarError
from .health import open_health
from .leases import Leases
from .metadata_api import MetadataApi
from .proto import RUNTIME_SERVICE, WORKFLOW_SERVICE, Empty, metadata_pb, pubsub_pb, service_pb, state_pb
from .pubsub_api import PubSubApi
from .rpc import Routes, both_streams, long_poll, server_stream, unary
from .runs import purge_old_runs
from .settings import SidecarSettings
from .state import delete_expired
from .state_api import StateApi
from .store import Store, Transaction, open_store
from .topics import delete_expired_events
from .wire import Limits, Method, WireServer
from .worker_api import WorkerApi

logger = logging.getLogger(__name__)

STOP_GRACE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A running sidecar."""

    grpc_port: int
    http_port: int


@contextlib.asynccontextmanager
async def open_sidecar(settings: SidecarSettings) -> AsyncGenerator[Sidecar]:
    """Serve Dapr's API in this event loop (asyncio) while the context is open.

    Raises:
        StoreError: the database file cannot be used.
        AddressInUseError: another program has the port.
    """
    with open_store(settings) as store:
        dispatcher = Dispatcher(store, settings)
        answers = Answers(store, dispatcher, settings.app_id)
        timers = DueTimers(store)
        broker = Broker(store, settings)
        worker_api = WorkerApi(dispatcher, answers)
        client_api = ClientApi(store, settings.app_id)
        pubsub_api = PubSubApi(store, broker, settings)
        dispatcher.load()
        state_api, metadata_api = StateApi(store, settings.state_stores), MetadataApi(dispatcher, settings)
        services = {
            WORKFLOW_SERVICE: _workflow_methods(worker_api, client_api),
            RUNTIME_SERVICE: _runtime_methods(state_api, pubsub_api, metadata_api),
        }
        server = WireServer(Routes(services, settings.token).find, _limits(settings))
        grpc_port = await _start(server, settings)
        try:
            async with open_health(settings.host, settings.http_port, _problem_finder(store)) as http_port:
                leases, sweeper = Leases(dispatcher, answers, settings), _Sweeper(store, settings)
                works = (dispatcher.run, timers.run, leases.watch, leases.ping, broker.run, sweeper.run)
                async with _working(works):
                    yield Sidecar(grpc_port=grpc_port, http_port=http_port)
        finally:
            with anyio.CancelScope(shield=True):
                worker_api.stop()
                client_api.stop()
                pubsub_api.stop()
                await server.stop(STOP_GRACE_S)


@contextlib.asynccontextmanager
async def _working(works: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> AsyncGenerator[None]:
    """Run the loops in the background; what the body raises comes out as it is."""
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        for work in works:
            tasks.start_soon(work)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again, outside the group
            raised = error
        tasks.cancel_scope.cancel()
    if raised is not None:
        raise raised


async def serve_sidecar(settings: SidecarSettings, on_ready: Callable[[Sidecar], None] | None = None) -> None:
    """Serve until cancelled.

    Args:
        on_ready: called once, when clients can connect.
    """
    async with open_sidecar(settings) as sidecar:
        if on_ready is not None:
            on_ready(sidecar)
        await anyio.sleep_forever()


def _limits(settings: SidecarSettings) -> Limits:
    # A worker whose process hangs gives no sign of life, and its stream is closed.
    keepalive_s = max(1.0, min(15.0, settings.worker_lease_s / 6))
    return Limits(max_message_bytes=settings.max_message_bytes, keepalive_s=keepalive_s)


async def _start(server: WireServer, settings: SidecarSettings) -> int:
    try:
        return await server.start(settings.host, settings.grpc_port)
    except OSError as error:
        address = f"{settings.host}:{settings.grpc_port}"
        raise AddressInUseError(f"{address} cannot be bound; is another sidecar running there?") from error


def _problem_finder(store: Store) -> Callable[[], str | None]:
    return lambda: None if store.damage is None else str(store.damage)


class _Sweeper:
    """Deletes what has had its time."""

    def __init__(self, store: Store, settings: SidecarSettings) -> None:
        self._store = store
        self._settings = settings

    async def run(self) -> None:
        while True:
            try:
                await self._store.change(self._sweep)
            except SidecarError as error:
                logger.warning("nothing was swept: %s", error)
            await anyio.sleep(self._settings.sweep_interval_s)

    def _sweep(self, tx: Transaction) -> None:
        delete_expired(tx)
        delete_expired_events(tx)
        if self._settings.retention_s is not None:
            purge_old_runs(tx, tx.now - self._settings.retention_s)
        tx.db.execute("PRAGMA incremental_vacuum(500)").fetchall()


def _workflow_methods(workers: WorkerApi, clients: ClientApi) -> dict[str, Method]:
    complete_turn = unary(workers.complete_turn, service_pb.WorkflowResponse)
    return {
        "Hello": unary(workers.hello, Empty),
        "GetWorkItems": server_stream(workers.get_work_items, service_pb.GetWorkItemsRequest),
        "CompleteWorkflowTask": complete_turn,
        "CompleteOrchestratorTask": complete_turn,
        "CompleteActivityTask": unary(workers.complete_activity, service_pb.ActivityResponse),
        "StartInstance": unary(clients.start, service_pb.CreateInstanceRequest),
        "GetInstance": unary(clients.get, service_pb.GetInstanceRequest),
        "WaitForInstanceStart": long_poll(clients.wait_for_start, service_pb.GetInstanceRequest),
        "WaitForInstanceCompletion": long_poll(clients.wait_for_completion, service_pb.GetInstanceRequest),
        "RaiseEvent": unary(clients.raise_event, service_pb.RaiseEventRequest),
        "TerminateInstance": unary(clients.terminate, service_pb.TerminateRequest),
        "SuspendInstance": unary(clients.suspend, service_pb.SuspendRequest),
        "ResumeInstance": unary(clients.resume, service_pb.ResumeRequest),
        "PurgeInstances": unary(clients.purge, service_pb.PurgeInstancesRequest),
        "ListInstanceIDs": unary(clients.list_ids, service_pb.ListInstanceIDsRequest),
        "GetInstanceHistory": unary(clients.get_history, service_pb.GetInstanceHistoryRequest),
        "RerunWorkflowFromEvent": unary(clients.rerun, service_pb.RerunWorkflowFromEventRequest),
    }


def _runtime_methods(state: StateApi, pubsub: PubSubApi, metadata: MetadataApi) -> dict[str, Method]:
    publish_bulk = unary(pubsub.publish_bulk, pubsub_pb.BulkPublishRequest)
    return {
        "GetState": unary(state.get, state_pb.GetStateRequest),
        "GetBulkState": unary(state.get_bulk, state_pb.GetBulkStateRequest),
        "SaveState": unary(state.save, state_pb.SaveStateRequest),
        "DeleteState": unary(state.delete, state_pb.DeleteStateRequest),
        "DeleteBulkState": unary(state.delete_bulk, state_pb.DeleteBulkStateRequest),
        "ExecuteStateTransaction": unary(state.transact, state_pb.ExecuteStateTransactionRequest),
        "PublishEvent": unary(pubsub.publish, pubsub_pb.PublishEventRequest),
        "BulkPublishEvent": publish_bulk,
        "BulkPublishEventAlpha1": publish_bulk,
        "SubscribeTopicEventsAlpha1": both_streams(pubsub.subscribe, pubsub_pb.SubscribeTopicEventsRequestAlpha1),
        "GetMetadata": unary(metadata.get, metadata_pb.GetMetadataRequest),
        "SetMetadata": unary(metadata.set, metadata_pb.SetMetadataRequest),
    }
