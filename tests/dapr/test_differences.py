"""Where Dapr's own programs do otherwise than the embedded sidecar; each is told in docs/real-dapr.md."""

import gc
import warnings
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dapr.ext.workflow as wf
import pytest
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._request import TransactionalStateOperation
from dapr.conf import settings

from hub.app.dapr_programs import HOST, DaprSetup
from tests.sidecar.scenario import new_id, wait_until
from tests.tooling.dapr import find_programs, open_dapr

pytestmark = [
    pytest.mark.daprd,
    pytest.mark.skipif(find_programs() is None, reason="Dapr's own programs were not found (`make dapr`)"),
]

_STATE = "statestore"
_PUBSUB = "pubsub"
_WAIT_S = 20


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprSetup]:
    programs = find_programs()
    assert programs is not None
    with open_dapr(programs, tmp_path_factory.mktemp("sqlite"), "sqlite") as setup:
        yield setup


@pytest.fixture(scope="module")
def on_redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprSetup]:
    programs = find_programs()
    assert programs is not None
    with open_dapr(programs, tmp_path_factory.mktemp("redis"), "redis") as setup:
        yield setup


@contextmanager
def client_of(setup: DaprSetup) -> Generator[DaprClient]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(settings, "DAPR_HTTP_PORT", setup.ports.http)
        yield stack.enter_context(DaprClient(address=f"{HOST}:{setup.ports.grpc}"))


@contextmanager
def working(setup: DaprSetup, workflows: Mapping[str, Any]) -> Generator[Any]:
    """A worker with these workflows, and a client."""
    where: dict[str, Any] = {"host": HOST, "port": str(setup.ports.grpc)}
    runtime: Any = wf.WorkflowRuntime(**where)
    for name, function in workflows.items():
        runtime.register_workflow(function, name=name)
    runtime.start()
    client = wf.DaprWorkflowClient(**where)
    try:
        yield client
    finally:
        client.close()
        runtime.shutdown()
        del runtime
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the SDK never closes its worker's event loop
            gc.collect()


def test_on_redis_a_refused_transaction_may_have_written_what_came_before(on_redis: DaprSetup) -> None:
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


def test_on_redis_a_time_to_live_outlasts_a_later_write_unless_it_is_lifted(on_redis: DaprSetup) -> None:
    lifted, outlasted = new_id(), new_id()
    with client_of(on_redis) as dapr:
        for key in (lifted, outlasted):
            dapr.save_state(_STATE, key, "1", state_metadata={"ttlInSeconds": "1"})
        dapr.save_state(_STATE, lifted, "2", state_metadata={"ttlInSeconds": "-1"})
        dapr.save_state(_STATE, outlasted, "2")
        wait_until(lambda: dapr.get_state(_STATE, outlasted).data == b"", "the value has expired")
        assert dapr.get_state(_STATE, lifted).data == b"2"


def test_the_broker_in_memory_drops_what_nobody_is_subscribed_to(on_sqlite: DaprSetup) -> None:
    topic = new_id()
    with client_of(on_sqlite) as dapr:
        dapr.publish_event(_PUBSUB, topic, "early")
        subscription: Any = dapr.subscribe(_PUBSUB, topic)
        dapr.publish_event(_PUBSUB, topic, "late")
        message = subscription.next_message()
        subscription.respond_success(message)
        subscription.close()

    assert message.raw_data() == b"late"


def test_the_broker_in_memory_gives_each_event_to_each_subscriber(on_sqlite: DaprSetup) -> None:
    topic = new_id()
    with client_of(on_sqlite) as dapr:
        subscriptions: list[Any] = [dapr.subscribe(_PUBSUB, topic) for _ in range(2)]
        dapr.publish_event(_PUBSUB, topic, "once")
        messages = [subscription.next_message() for subscription in subscriptions]
        for subscription, message in zip(subscriptions, messages, strict=True):
            subscription.respond_success(message)
            subscription.close()

    assert [message.raw_data() for message in messages] == [b"once", b"once"]


def test_a_workflow_may_not_have_a_name_of_dapr_s_own(on_sqlite: DaprSetup) -> None:
    name = "dapr.internal.mcp.x.ListTools"

    def named(_context: Any, value: int) -> int:
        return value

    with working(on_sqlite, {name: named}) as client:
        run_id = client.schedule_new_workflow(name, input=1)
        state = client.wait_for_workflow_completion(run_id, timeout_in_seconds=_WAIT_S)
    assert (state.runtime_status.name, state.failure_details.message) == (
        "FAILED",
        f"workflow named '{name}' is not registered",
    )


def test_an_event_starts_a_planned_run_at_once(on_sqlite: DaprSetup) -> None:
    start_at = datetime.now(UTC) + timedelta(hours=1)

    def waiting(context: Any, _value: object) -> Generator[Any, Any, Any]:
        return (yield context.wait_for_external_event("go"))

    with working(on_sqlite, {"waiting": waiting}) as client:
        run_id = client.schedule_new_workflow("waiting", start_at=start_at)
        client.raise_workflow_event(run_id, "go", data=1)
        state = client.wait_for_workflow_completion(run_id, timeout_in_seconds=_WAIT_S)

    assert (state.runtime_status.name, state.serialized_output) == ("COMPLETED", "1")
