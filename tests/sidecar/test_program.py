"""The sidecar as a program: what it says when it cannot start, and when it stops."""

import subprocess
from pathlib import Path

from tests.sidecar.daprd import free_ports
from tests.sidecar.processes import command, running_sidecar


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
