"""Killed sidecars and workers: nothing is lost, nothing that was finished runs again."""

import contextlib
import random
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import dapr.ext.workflow as wf
import pytest
from dapr.clients import DaprClient
from dapr.conf import settings

from tests.sidecar.daprd import free_ports
from tests.sidecar.processes import DaprApi, running_sidecar, running_worker_process, start_sidecar
from tests.sidecar.scenario import Scenario, new_id, output_of, wait_until
from tests.sidecar.worker_program import STEPS

pytestmark = pytest.mark.crash


@contextlib.contextmanager
def client_of(api: DaprApi) -> Generator[Scenario]:
    client = wf.DaprWorkflowClient(host=api.host, port=str(api.grpc_port))
    try:
        yield Scenario(client)
    finally:
        client.close()


def read_ledger(ledger: Path) -> Counter[tuple[str, str]]:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return Counter((line.split()[0], line.split()[1]) for line in lines)


def test_a_killed_sidecar_goes_on_where_it_was(tmp_path: Path) -> None:
    grpc_port, http_port = free_ports(2)
    ledger = tmp_path / "ledger"
    sidecar = start_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port)
    with contextlib.ExitStack() as stack:
        stack.enter_context(running_worker_process(sidecar.api, ledger))
        scenario = stack.enter_context(client_of(sidecar.api))
        ids = [scenario.start("mixed") for _ in range(10)]
        wait_until(lambda: len(read_ledger(ledger)) >= 10, "some steps are done")
        sidecar.kill()
        stack.enter_context(running_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port))
        for run_id in ids:
            scenario.wait_until_there(run_id)
            scenario.client.raise_workflow_event(run_id, "go", data=100)
        outputs = [output_of(scenario.finish(run_id)) for run_id in ids]
    counts = read_ledger(ledger)
    assert outputs == [100 + sum(range(STEPS + 1))] * 10
    assert all(counts[run_id, str(number)] in {1, 2} for run_id in ids for number in range(STEPS))
    repeated = [key for key, count in counts.items() if count > 1]
    assert len(repeated) <= 10, "each run had at most one step in flight"


def test_the_steps_of_a_killed_worker_go_to_another(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with running_sidecar(tmp_path / "s.db") as sidecar, client_of(sidecar.api) as scenario:
        with running_worker_process(sidecar.api, ledger) as first:
            run_id = scenario.start("slow_steps")
            wait_until(lambda: read_ledger(ledger)[run_id, "1"], "the second step has begun")
            first.kill()
        with running_worker_process(sidecar.api, ledger):
            assert output_of(scenario.finish(run_id)) == sum(range(STEPS))
    counts = read_ledger(ledger)
    assert counts[run_id, "0"] == 1, "a finished step is not run again"
    assert counts[run_id, "1"] == 2, "the step in flight is run once more"


def test_kills_at_random_moments_lose_nothing(tmp_path: Path, full: bool) -> None:
    """A short form of the long crash suite: sidecar and worker are killed in turn."""
    kills = 30 if full else 5
    chance = random.Random(20261123)
    grpc_port, http_port = free_ports(2)
    ledger = tmp_path / "ledger"
    ids = [new_id() for _ in range(20)]
    with contextlib.ExitStack() as stack:
        sidecar = start_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port)
        scenario = stack.enter_context(client_of(sidecar.api))
        worker_stack = stack.enter_context(contextlib.ExitStack())
        worker_stack.enter_context(running_worker_process(sidecar.api, ledger))
        for run_id in ids:
            scenario.start("mixed", run_id=run_id)
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
                sidecar = start_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port)
            else:
                worker_stack.close()
                worker_stack.enter_context(running_worker_process(sidecar.api, ledger))
        for run_id in ids:
            scenario.wait_until_there(run_id)
            scenario.client.raise_workflow_event(run_id, "go", data=100)
        outputs = [output_of(scenario.finish(run_id)) for run_id in ids]
        sidecar.kill()
    counts = read_ledger(ledger)
    assert outputs == [100 + sum(range(STEPS + 1))] * len(ids)
    effects = sum(counts.values())
    assert effects <= len(ids) * (STEPS + 1) + kills * len(ids), "each kill repeats at most what was in flight"
    assert max(counts.values()) <= 1 + kills


def test_a_write_that_was_confirmed_survives_the_kill(tmp_path: Path) -> None:
    grpc_port, http_port = free_ports(2)
    sidecar = start_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port)
    with client_of(sidecar.api) as scenario:
        ids = [scenario.start("mixed") for _ in range(50)]
        sidecar.kill()
    with (
        running_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port) as again,
        client_of(again.api) as scenario,
    ):
        assert set(scenario.client.iter_workflow_instance_ids()) == set(ids)


def test_a_sidecar_that_is_told_to_stop_stops_cleanly(tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "s.db") as sidecar, client_of(sidecar.api) as scenario:
        scenario.start("mixed")
        assert sidecar.stop() == 0
    assert not (tmp_path / "s.db-wal").exists()


def test_a_subscription_goes_on_after_the_sidecar_was_killed(tmp_path: Path) -> None:
    grpc_port, http_port = free_ports(2)
    setattr(settings, "DAPR_HTTP_PORT", http_port)  # noqa: B010 - the SDK sets its settings dynamically
    sidecar = start_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port)
    with DaprClient(address=f"127.0.0.1:{grpc_port}") as client:
        subscription: Any = client.subscribe("pubsub", "topic")
        client.publish_event("pubsub", "topic", "before")
        unanswered = subscription.next_message()
        sidecar.kill()
        with running_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port):
            again = subscription.next_message()
            subscription.respond_success(again)
            client.publish_event("pubsub", "topic", "after")
            after = subscription.next_message()
            subscription.close()
    assert (again.id(), after.raw_data()) == (unanswered.id(), b"after")
