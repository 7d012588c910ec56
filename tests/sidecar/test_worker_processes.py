"""Several workers in processes of their own: they share the runs, and one takes over what another leaves."""

import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest

from tests.sidecar.own import OwnSidecar
from tests.sidecar.processes import running_worker_process
from tests.sidecar.scenario import NO_WORKER, open_scenario, output_of, wait_for_workers, wait_until
from tests.sidecar.worker_program import STEPS

OpenSidecar = Callable[..., AbstractContextManager[OwnSidecar]]

pytestmark = pytest.mark.crash

TOTAL = sum(range(STEPS))
SILENCE_S = 60
"""Dapr takes a worker for gone 15 s after its last word."""


def ledger_of(ledger: Path) -> list[tuple[str, str, str]]:
    """Run, step and process id of each effect."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [(run_id, step, pid) for run_id, step, pid in (line.split() for line in lines)]


def steps_of(ledger: Path, run_id: str) -> Counter[str]:
    return Counter(step for run, step, _ in ledger_of(ledger) if run == run_id)


def test_two_worker_processes_share_the_runs(own_sidecar: OpenSidecar, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with (
        own_sidecar() as sidecar,
        running_worker_process(sidecar.api, ledger),
        running_worker_process(sidecar.api, ledger),
        open_scenario(sidecar.api.host, sidecar.api.grpc_port) as scenario,
    ):
        wait_for_workers(sidecar.api, 2)
        ids = [scenario.start("slow_steps") for _ in range(20)]
        outputs = [output_of(scenario.finish(run_id)) for run_id in ids]
    effects = ledger_of(ledger)
    assert outputs == [TOTAL] * 20
    assert len({pid for _, _, pid in effects}) == 2
    assert len(effects) == 20 * STEPS, "two workers do not do one step twice"


def test_an_event_while_there_is_no_worker_waits_for_one_or_is_refused(
    own_sidecar: OpenSidecar, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    with own_sidecar() as sidecar, open_scenario(sidecar.api.host, sidecar.api.grpc_port) as scenario:
        with running_worker_process(sidecar.api, ledger):
            run_id = scenario.start_and_wait_for_start("mixed")
            wait_until(lambda: "CHILD_WORKFLOW_INSTANCE_COMPLETED" in scenario.event_types(run_id), "it waits")
        if sidecar.api.is_embedded:
            scenario.client.raise_workflow_event(run_id, "go", data=100)
        else:  # Dapr has nobody to keep it: a run lives where its workers are
            wait_for_workers(sidecar.api, 0)
            with pytest.raises(grpc.RpcError, match=NO_WORKER):
                scenario.client.raise_workflow_event(run_id, "go", data=100)
        with running_worker_process(sidecar.api, ledger):
            if not sidecar.api.is_embedded:
                scenario.client.raise_workflow_event(run_id, "go", data=100)
            assert output_of(scenario.finish(run_id)) == 100 + TOTAL + STEPS
    assert steps_of(ledger, run_id) == dict.fromkeys(map(str, range(STEPS)), 1), "no finished step ran again"


def test_the_steps_of_a_killed_worker_go_to_another(own_sidecar: OpenSidecar, tmp_path: Path) -> None:
    """There is another one all the time: daprd may hang when its last worker goes, see docs/real-dapr.md."""
    ledger = tmp_path / "ledger"
    with (
        own_sidecar() as sidecar,
        open_scenario(sidecar.api.host, sidecar.api.grpc_port) as scenario,
        running_worker_process(sidecar.api, ledger) as first,
        running_worker_process(sidecar.api, ledger) as second,
    ):
        wait_for_workers(sidecar.api, 2)
        run_id = scenario.start("slow_once_steps")
        wait_until(lambda: steps_of(ledger, run_id)["1"], "the second step has begun")
        at_work = ledger_of(ledger)[-1][2]
        (first if str(first.pid) == at_work else second).kill()
        assert output_of(scenario.finish(run_id)) == TOTAL
    counts = steps_of(ledger, run_id)
    assert counts["0"] == 1, "a finished step is not run again"
    assert counts["1"] == 2, "the step in flight is run once more"


def test_a_frozen_worker_process_loses_its_step(own_sidecar: OpenSidecar, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with (
        own_sidecar(worker_lease_s=2) as sidecar,
        open_scenario(sidecar.api.host, sidecar.api.grpc_port) as scenario,
        running_worker_process(sidecar.api, ledger) as frozen,
    ):
        run_id = scenario.start("slow_once_steps")
        wait_until(lambda: steps_of(ledger, run_id)["1"], "the second step has begun")
        frozen.send_signal(signal.SIGSTOP)
        with running_worker_process(sidecar.api, ledger):
            output = output_of(scenario.finish(run_id, SILENCE_S))
    counts = steps_of(ledger, run_id)
    assert output == TOTAL
    assert (counts["0"], counts["1"]) == (1, 2), "the step in flight is run once more, no other"
