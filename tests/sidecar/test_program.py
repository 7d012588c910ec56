"""The sidecar as a program: what it says when it cannot start, and when it stops."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dapr.ext.workflow as wf
import grpc
import pytest
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.conf import settings

from tests.sidecar.daprd import free_ports
from tests.sidecar.processes import DaprApi, command, running_sidecar, running_worker_process

HUB = "from hub.cli.main import run; run()"


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "first.db") as first:
        for ports in ((first.api.grpc_port, 0), (0, first.api.http_port)):
            failed = subprocess.run(
                command(tmp_path / "second.db", *ports, []), capture_output=True, text=True, timeout=30, check=False
            )
            assert failed.returncode == 1
            assert f"127.0.0.1:{max(ports)} cannot be bound" in failed.stderr
            assert "Traceback" not in failed.stderr


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"\x00" * 8192)
    failed = subprocess.run(command(path, 0, 0, []), capture_output=True, text=True, timeout=30, check=False)
    assert failed.returncode == 1
    assert f"sidecar: {path} is" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert path.read_bytes() == b"\x00" * 8192


def test_a_second_sidecar_on_one_file_says_so(tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "s.db"):
        failed = subprocess.run(
            command(tmp_path / "s.db", 0, 0, []), capture_output=True, text=True, timeout=30, check=False
        )
    assert failed.returncode == 1
    assert "in use by another sidecar" in failed.stderr


def test_the_sidecar_stops_when_its_parent_is_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path / "s.db", 0, 0, ["--stop-with-stdin"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdin.close()
    assert process.wait(15) == 0
    process.stdout.close()


def test_ports_that_were_given_are_used(tmp_path: Path) -> None:
    grpc_port, http_port = free_ports(2)
    with running_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port) as sidecar:
        assert (sidecar.api.grpc_port, sidecar.api.http_port) == (grpc_port, http_port)
        assert sidecar.api.is_healthy()


@pytest.mark.parametrize("program", [["-m", "hub.sidecar"], ["-c", HUB, "sidecar", "--json"]], ids=["python -m", "hub"])
def test_limits_that_were_given_hold(program: list[str], tmp_path: Path) -> None:
    limits = ["--max-message-bytes", "20000", "--max-work-item-bytes", "5000"]
    command = [
        sys.executable,
        *program,
        "--db",
        str(tmp_path / "s.db"),
        "--grpc-port",
        "0",
        "--http-port",
        "0",
        *limits,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            grpc_port, http_port = json.loads(process.stdout.readline()).values()
            api = DaprApi(kind="embedded", host="127.0.0.1", grpc_port=int(grpc_port), http_port=int(http_port))
            with running_worker_process(api, tmp_path / "ledger"):
                client: Any = wf.DaprWorkflowClient(host=api.host, port=str(api.grpc_port))
                client.schedule_new_workflow("child", input=1, instance_id="small")
                assert client.wait_for_workflow_completion("small", timeout_in_seconds=30)
                client.schedule_new_workflow("child", input="x" * 10_000, instance_id="large")
                while (state := client.get_workflow_state("large")).runtime_status.name == "PENDING":
                    time.sleep(0.02)
                with pytest.raises(grpc.RpcError) as refused:
                    client.schedule_new_workflow("child", input="x" * 30_000, instance_id="too large")
                client.close()
        finally:
            process.kill()
    assert state.runtime_status.name == "STALLED"
    code: Any = getattr(refused.value, "code")  # noqa: B009 - gRPC's types leave it out
    assert code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit to bound the size of files")
def test_a_disk_that_takes_no_more_is_told_and_nothing_confirmed_is_lost(tmp_path: Path) -> None:
    grpc_port, http_port = free_ports(2)
    setattr(settings, "DAPR_HTTP_PORT", http_port)  # noqa: B010 - the SDK sets its settings dynamically
    address = f"127.0.0.1:{grpc_port}"
    value = "x" * 100_000
    confirmed: list[str] = []

    def fill(client: DaprClient) -> None:
        while True:
            client.save_state("statestore", str(len(confirmed)), value)
            confirmed.append(str(len(confirmed)))

    bounded = running_sidecar(
        tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port, prefix=["prlimit", "--fsize=1000000"]
    )
    with bounded as sidecar, DaprClient(address=address) as client:
        with pytest.raises(DaprGrpcError) as caught:
            fill(client)
        assert client.get_state("statestore", "0").data == value.encode()
        sidecar.kill()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "cannot grow" in str(caught.value.details())
    unbounded = running_sidecar(tmp_path / "s.db", grpc_port=grpc_port, http_port=http_port)
    with unbounded, DaprClient(address=address) as client:
        found = [client.get_state("statestore", key).data for key in confirmed]
    assert found == [value.encode()] * len(confirmed)
    assert confirmed
