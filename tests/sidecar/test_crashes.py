"""Killed sidecars: nothing is lost, nothing that was finished runs again, and the SDK finds its way back by itself."""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import grpc
import pytest
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.conf import settings

from tests.sidecar.own import OwnSidecar
from tests.sidecar.processes import DaprApi, running_sidecar, running_worker_process
from tests.sidecar.scenario import Scenario, new_id, open_scenario, output_of, wait_for_workers, wait_until
from tests.sidecar.worker_program import STEPS

OpenSidecar = Callable[..., contextlib.AbstractContextManager[OwnSidecar]]

pytestmark = pytest.mark.crash

Answer = TypeVar("Answer")


class Flow(NamedTuple):
    """One of the worker's workflows."""

    name: str
    last_before_event: str
    total: int


MIXED = Flow("mixed", "CHILD_WORKFLOW_INSTANCE_COMPLETED", 100 + sum(range(STEPS + 1)))
CHILDLESS = Flow("childless", "TIMER_FIRED", 100 + sum(range(STEPS)))


def flow_for(api: DaprApi) -> Flow:
    """Dapr that was killed may leave a run and its child waiting for each other, with the SDK's own worker:
    docs/real-dapr.md. Children on real Dapr are killed in tests/dapr/test_killing.py, with the hub's worker.
    """
    return MIXED if api.is_embedded else CHILDLESS


@contextlib.contextmanager
def client_of(api: DaprApi) -> Generator[Scenario]:
    with open_scenario(api.host, api.grpc_port) as scenario:
        yield scenario


def read_ledger(ledger: Path) -> Counter[tuple[str, str]]:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return Counter((line.split()[0], line.split()[1]) for line in lines)


def asked_again(ask: Callable[[], Answer]) -> Answer:
    """What a sidecar that has just come back says, once the client has its connection again."""
    answers: list[Answer] = []

    def is_answered() -> bool:
        with contextlib.suppress(grpc.RpcError, DaprGrpcError):
            answers.append(ask())
        return bool(answers)

    wait_until(is_answered, "the sidecar answers again")
    return answers[0]


def release(scenario: Scenario, run_id: str, flow: Flow) -> None:
    """Give a run its event, once it has come that far; Dapr takes events only while there is a worker."""

    def waits_for_it() -> bool:
        with contextlib.suppress(grpc.RpcError):
            return flow.last_before_event in scenario.event_types(run_id)
        return False

    wait_until(waits_for_it, f"{run_id} waits for its event")
    scenario.client.raise_workflow_event(run_id, "go", data=100)


def test_a_killed_sidecar_goes_on_where_it_was(own_sidecar: OpenSidecar, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with (
        own_sidecar() as sidecar,
        running_worker_process(sidecar.api, ledger),
        running_worker_process(sidecar.api, ledger),
        client_of(sidecar.api) as scenario,
    ):
        flow = flow_for(sidecar.api)
        ids = [scenario.start(flow.name) for _ in range(10)]
        wait_until(lambda: len(read_ledger(ledger)) >= 10, "some steps are done")
        sidecar.kill()
        sidecar.start()
        for run_id in ids:
            release(scenario, run_id, flow)
        outputs = [output_of(scenario.finish(run_id)) for run_id in ids]
        is_embedded = sidecar.api.is_embedded
    counts = read_ledger(ledger)
    repeated = [key for key, count in counts.items() if count > 1]
    assert outputs == [flow.total] * 10
    assert all(counts[run_id, str(number)] for run_id in ids for number in range(STEPS))
    assert len(repeated) <= 10, "each run had at most one step in flight"
    if is_embedded:  # Dapr may hand out the step in flight more than once more
        assert max(counts.values()) <= 2


def test_kills_at_random_moments_lose_nothing(own_sidecar: OpenSidecar, tmp_path: Path, full: bool) -> None:
    """A short form of the long crash suite: sidecar and worker are killed in turn."""
    kills = 30 if full else 5
    chance = random.Random(20261123)
    ledger = tmp_path / "ledger"
    ids = [new_id() for _ in range(20)]
    with contextlib.ExitStack() as stack:
        sidecar = stack.enter_context(own_sidecar())
        flow = flow_for(sidecar.api)
        scenario = stack.enter_context(client_of(sidecar.api))
        # One that stays: daprd may hang when its last worker goes, see docs/real-dapr.md.
        stack.enter_context(running_worker_process(sidecar.api, ledger))
        worker_stack = stack.enter_context(contextlib.ExitStack())
        worker_stack.enter_context(running_worker_process(sidecar.api, ledger))
        for run_id in ids:
            scenario.start(flow.name, run_id=run_id)
        for kill in range(kills):
            seen = sum(read_ledger(ledger).values())
            with contextlib.suppress(TimeoutError):
                wait_until(
                    lambda seen=seen: sum(read_ledger(ledger).values()) >= seen + chance.randint(1, 8),
                    "something was done",
                    timeout_s=chance.uniform(0.1, 0.6),
                )
            if kill % 2 == 0:
                sidecar.kill()
                sidecar.start()
            else:
                # The one that stays may not be back yet: then this would be the last one.
                wait_for_workers(sidecar.api, 2)
                worker_stack.close()
                worker_stack.enter_context(running_worker_process(sidecar.api, ledger))
        for run_id in ids:
            release(scenario, run_id, flow)
        outputs = [output_of(scenario.finish(run_id)) for run_id in ids]
        is_embedded = sidecar.api.is_embedded
    counts = read_ledger(ledger)
    assert outputs == [flow.total] * len(ids)
    assert all(counts[run_id, str(number)] for run_id in ids for number in range(STEPS))
    if is_embedded:
        effects = sum(counts.values())
        assert effects <= len(ids) * (STEPS + 1) + kills * len(ids), "each kill repeats at most what was in flight"
        assert max(counts.values()) <= 1 + kills


def test_a_write_that_was_confirmed_survives_the_kill(own_sidecar: OpenSidecar, tmp_path: Path) -> None:
    with (
        own_sidecar() as sidecar,
        running_worker_process(sidecar.api, tmp_path / "ledger") as worker,
        client_of(sidecar.api) as scenario,
    ):
        ids = [scenario.start("mixed") for _ in range(50)]
        sidecar.kill()
        worker.kill()
        sidecar.start()
        listed = asked_again(lambda: set(scenario.client.iter_workflow_instance_ids()))
    assert listed >= set(ids)


def test_a_sidecar_that_is_told_to_stop_stops_cleanly(tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "s.db") as sidecar, client_of(sidecar.api) as scenario:
        scenario.start("mixed")
        assert sidecar.stop() == 0
    assert not (tmp_path / "s.db-wal").exists()


@pytest.fixture
def open_dapr_client(monkeypatch: pytest.MonkeyPatch) -> Callable[[DaprApi], DaprClient]:
    """The SDK's client of everything but workflows."""

    def open_one(api: DaprApi) -> DaprClient:
        monkeypatch.setattr(settings, "DAPR_HTTP_PORT", api.http_port)
        return DaprClient(address=f"{api.host}:{api.grpc_port}")

    return open_one


def take_until(subscription: Any, data: bytes) -> list[bytes]:
    """What comes until an event has these data; each is answered."""
    got: list[bytes] = []
    while not got or got[-1] != data:
        message = subscription.next_message()
        subscription.respond_success(message)
        got.append(message.raw_data())
    return got


def test_a_subscription_goes_on_after_the_sidecar_was_killed(
    own_sidecar: OpenSidecar, open_dapr_client: Callable[[DaprApi], DaprClient]
) -> None:
    with own_sidecar() as sidecar, open_dapr_client(sidecar.api) as client, ThreadPoolExecutor(1) as pool:
        subscription: Any = client.subscribe("pubsub", "topic")
        client.publish_event("pubsub", "topic", "before")
        before = subscription.next_message()
        subscription.respond_success(before)
        sidecar.kill()
        sidecar.start()
        taken = pool.submit(take_until, subscription, b"after")

        def is_taken() -> bool:
            with contextlib.suppress(DaprGrpcError):
                client.publish_event("pubsub", "topic", "after")  # the broker in memory drops it while nobody is there
            return taken.done()

        wait_until(is_taken, "the subscription is there again")
        got = taken.result()
        subscription.close()
    assert before.raw_data() == b"before"
    assert set(got) <= {b"before", b"after"}, "an answer under way at the kill may be lost, then the event comes again"


def test_an_event_that_was_not_answered_comes_again_after_the_kill(
    own_sidecar: OpenSidecar, open_dapr_client: Callable[[DaprApi], DaprClient]
) -> None:
    with own_sidecar() as sidecar, open_dapr_client(sidecar.api) as client:
        if not sidecar.api.keeps_events:
            pytest.skip("Dapr's broker in memory loses it; Redis keeps it")
        subscription: Any = client.subscribe("pubsub", "topic")
        client.publish_event("pubsub", "topic", "1")
        unanswered = subscription.next_message()
        sidecar.kill()
        sidecar.start()
        again = subscription.next_message()
        subscription.respond_success(again)
        subscription.close()
    assert again.id() == unanswered.id()


def test_state_that_was_saved_is_there_after_the_kill(
    own_sidecar: OpenSidecar, open_dapr_client: Callable[[DaprApi], DaprClient]
) -> None:
    with own_sidecar() as sidecar, open_dapr_client(sidecar.api) as client:
        client.save_state("statestore", "key", "value")
        sidecar.kill()
        sidecar.start()
        found = asked_again(lambda: client.get_state("statestore", "key").data)
    assert found == b"value"
