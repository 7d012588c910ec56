"""Where Dapr's own programs do otherwise than the embedded sidecar; each is told in docs/sidecar.md."""

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import grpc
import pytest
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._request import TransactionalStateOperation
from dapr.conf import settings

from tests.sidecar.daprd import running_daprd
from tests.sidecar.processes import DaprApi, running_sidecar
from tests.sidecar.scenario import NO_WORKER, new_id, open_scenario, wait_for_workers, wait_until
from tests.sidecar.workflows import running_runtime
from tests.tooling.dapr import find_programs

pytestmark = [
    pytest.mark.daprd,
    pytest.mark.skipif(find_programs() is None, reason="Dapr's own programs were not found (`make dapr`)"),
]

_STATE = "statestore"
_PUBSUB = "pubsub"
_WAIT_S = 20


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprApi]:
    with running_sidecar(tmp_path_factory.mktemp("embedded") / "sidecar.db") as sidecar:
        yield sidecar.api


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprApi]:
    programs = find_programs()
    assert programs is not None
    with running_daprd(programs, tmp_path_factory.mktemp("sqlite"), "sqlite") as api:
        yield api


@pytest.fixture(scope="module")
def on_redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprApi]:
    programs = find_programs()
    assert programs is not None
    with running_daprd(programs, tmp_path_factory.mktemp("redis"), "redis") as api:
        yield api


@contextmanager
def client_of(api: DaprApi) -> Generator[DaprClient]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(settings, "DAPR_HTTP_PORT", api.http_port)
        yield stack.enter_context(DaprClient(address=f"{api.host}:{api.grpc_port}"))


@contextmanager
def working(api: DaprApi, workflows: Mapping[str, Any]) -> Generator[Any]:
    """A worker with these workflows, and a client."""
    with (
        running_runtime(api.host, api.grpc_port, workflows),
        open_scenario(api.host, api.grpc_port) as scenario,
    ):
        yield scenario.client


def waiting(context: Any, _value: object) -> Generator[Any, Any, Any]:
    return (yield context.wait_for_external_event("go"))


def test_on_redis_a_refused_transaction_may_have_written_what_came_before(on_redis: DaprApi) -> None:
    guarded, other = new_id(), new_id()
    with client_of(on_redis) as dapr:
        dapr.save_state(_STATE, guarded, "1")
        old = dapr.get_state(_STATE, guarded).etag
        dapr.save_state(_STATE, guarded, "2")
        with pytest.raises(DaprGrpcError):
            dapr.execute_state_transaction(
                _STATE,
                [
                    TransactionalStateOperation(key=other, data="written"),
                    TransactionalStateOperation(key=guarded, data="3", etag=old),
                ],
            )
        found = dapr.get_state(_STATE, other).data, dapr.get_state(_STATE, guarded).data

    assert found == (b"written", b"2")


def test_on_redis_a_time_to_live_outlasts_a_later_write_unless_it_is_lifted(on_redis: DaprApi) -> None:
    lifted, outlasted = new_id(), new_id()
    with client_of(on_redis) as dapr:
        for key in (lifted, outlasted):
            dapr.save_state(_STATE, key, "1", state_metadata={"ttlInSeconds": "1"})
        dapr.save_state(_STATE, lifted, "2", state_metadata={"ttlInSeconds": "-1"})
        dapr.save_state(_STATE, outlasted, "2")
        wait_until(lambda: dapr.get_state(_STATE, outlasted).data == b"", "the value has expired")
        assert dapr.get_state(_STATE, lifted).data == b"2"


def test_the_broker_in_memory_drops_what_nobody_is_subscribed_to(on_sqlite: DaprApi) -> None:
    topic = new_id()
    with client_of(on_sqlite) as dapr:
        dapr.publish_event(_PUBSUB, topic, "early")
        subscription: Any = dapr.subscribe(_PUBSUB, topic)
        dapr.publish_event(_PUBSUB, topic, "late")
        message = subscription.next_message()
        subscription.respond_success(message)
        subscription.close()

    assert message.raw_data() == b"late"


def test_the_broker_in_memory_gives_each_event_to_each_subscriber(on_sqlite: DaprApi) -> None:
    topic = new_id()
    with client_of(on_sqlite) as dapr:
        subscriptions: list[Any] = [dapr.subscribe(_PUBSUB, topic) for _ in range(2)]
        dapr.publish_event(_PUBSUB, topic, "once")
        messages = [subscription.next_message() for subscription in subscriptions]
        for subscription, message in zip(subscriptions, messages, strict=True):
            subscription.respond_success(message)
            subscription.close()

    assert [message.raw_data() for message in messages] == [b"once", b"once"]


def test_a_workflow_may_have_a_name_of_dapr_s_own_on_the_embedded_sidecar_only(
    embedded: DaprApi, on_sqlite: DaprApi
) -> None:
    name = "dapr.internal.mcp.x.ListTools"

    def named(_context: Any, value: int) -> int:
        return value

    states: list[Any] = []
    for api in (embedded, on_sqlite):
        with working(api, {name: named}) as client:
            run_id = client.schedule_new_workflow(name, input=1)
            states.append(client.wait_for_workflow_completion(run_id, timeout_in_seconds=_WAIT_S))
    assert [state.runtime_status.name for state in states] == ["COMPLETED", "FAILED"]
    assert states[1].failure_details.message == f"workflow named '{name}' is not registered"


def test_an_event_starts_a_planned_run_at_once_on_dapr_only(embedded: DaprApi, on_sqlite: DaprApi) -> None:
    start_at = datetime.now(UTC) + timedelta(hours=1)
    states: list[Any] = []
    for api in (embedded, on_sqlite):
        with working(api, {"waiting": waiting}) as client:
            run_id = client.schedule_new_workflow("waiting", start_at=start_at)
            client.raise_workflow_event(run_id, "go", data=1)
            if api is on_sqlite:
                client.wait_for_workflow_completion(run_id, timeout_in_seconds=_WAIT_S)
            states.append(client.get_workflow_state(run_id))

    assert [state.runtime_status.name for state in states] == ["PENDING", "COMPLETED"]


def test_a_start_waits_for_a_worker_on_dapr_only(embedded: DaprApi, on_sqlite: DaprApi) -> None:
    for api in (embedded, on_sqlite):
        run_id = new_id()
        with open_scenario(api.host, api.grpc_port) as scenario, ThreadPoolExecutor(1) as pool:
            starting = pool.submit(scenario.start, "waiting", run_id=run_id)
            if api is embedded:
                assert starting.result(_WAIT_S) == run_id
            else:
                with pytest.raises(TimeoutError):
                    starting.result(1)
            with running_runtime(api.host, api.grpc_port, {"waiting": waiting}):
                assert starting.result(_WAIT_S) == run_id
                scenario.client.raise_workflow_event(run_id, "go", data=1)
                assert scenario.finish(run_id).serialized_output == "1"


def test_an_id_with_a_slash_is_taken_by_the_embedded_sidecar_only(embedded: DaprApi, on_sqlite: DaprApi) -> None:
    run_id = f"orders/{new_id()}"
    for api in (embedded, on_sqlite):
        with working(api, {"waiting": waiting}) as client:
            if api is embedded:
                assert client.schedule_new_workflow("waiting", instance_id=run_id) == run_id
                client.terminate_workflow(run_id)
            else:
                with pytest.raises(grpc.RpcError, match="job name is invalid"):
                    client.schedule_new_workflow("waiting", instance_id=run_id)


def test_a_run_is_ended_without_a_worker_on_the_embedded_sidecar_only(embedded: DaprApi, on_sqlite: DaprApi) -> None:
    for api in (embedded, on_sqlite):
        with open_scenario(api.host, api.grpc_port) as scenario:
            with running_runtime(api.host, api.grpc_port, {"waiting": waiting}):
                run_id = scenario.start("waiting")
                # Its turn is over: daprd may hang when its last worker goes while one is due.
                wait_until(partial(scenario.event_types, run_id), "the run has waited")
            if api is embedded:
                scenario.client.terminate_workflow(run_id)
                assert scenario.status(run_id).name == "TERMINATED"
            else:
                wait_for_workers(api, 0)
                with pytest.raises(grpc.RpcError, match=NO_WORKER):
                    scenario.client.terminate_workflow(run_id)
                assert scenario.status(run_id).name == "RUNNING"


def test_an_event_that_nobody_takes_is_tried_on_by_the_embedded_sidecar_and_five_times_by_dapr(
    embedded: DaprApi, on_sqlite: DaprApi, on_redis: DaprApi
) -> None:
    tries: list[int] = []
    for api in (embedded, on_sqlite, on_redis):
        topic = new_id()
        with client_of(api) as dapr:
            subscription: Any = dapr.subscribe(_PUBSUB, topic)
            dapr.publish_event(_PUBSUB, topic, "never taken")
            for _ in range(5):
                subscription.respond_retry(subscription.next_message())
            dapr.publish_event(_PUBSUB, topic, "taken")
            seen = [subscription.next_message() for _ in range(2 if api is embedded else 1)]
            for message in seen:
                subscription.respond_success(message)
            subscription.close()
        assert [message.raw_data() for message in seen].count(b"taken") == 1
        tries.append(4 + len(seen))

    assert tries == [6, 5, 5]


def test_the_broker_in_memory_keeps_a_publisher_of_many_waiting_for_the_subscriber(
    embedded: DaprApi, on_sqlite: DaprApi
) -> None:
    for api in (embedded, on_sqlite):
        topic = new_id()
        with client_of(api) as dapr, ThreadPoolExecutor(1) as pool:
            subscription: Any = dapr.subscribe(_PUBSUB, topic)
            publishing = pool.submit(dapr.publish_events, _PUBSUB, topic, ["1", "2"])
            first = subscription.next_message()
            if api is embedded:
                publishing.result(_WAIT_S)
            else:
                with pytest.raises(TimeoutError):
                    publishing.result(1)
            subscription.respond_success(first)
            subscription.respond_success(subscription.next_message())
            publishing.result(_WAIT_S)
            subscription.close()
