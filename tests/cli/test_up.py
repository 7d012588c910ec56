"""`hub up`: a sidecar that a command finds, and that ends with it."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from hub import forking
from tests.cli.running import Folder

_HUB = str(Path(sys.executable).with_name("hub"))
_FREE = ("--grpc-port", "0", "--http-port", "0")
_STATE = """\
import sys
from dapr.clients import DaprClient

with DaprClient() as client:
    if sys.argv[1] == "save":
        client.save_state("statestore", "key", "kept")
    print(client.get_state("statestore", "key").data.decode())
"""


@pytest.fixture
def configured(folder: Folder) -> Folder:
    folder.write("hub.yaml", "servers: {}\n")
    return folder


@contextlib.contextmanager
def running(folder: Folder, *words: str, **variables: str) -> "Generator[subprocess.Popen[str]]":
    """`hub up`, once it is ready."""
    with subprocess.Popen(
        [_HUB, "up", *_FREE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder.path,
        env=folder.environment(**variables),
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_command_finds_the_sidecar_and_its_exit_code_is_kept(configured: Folder) -> None:
    program = (
        "import json, os, sys; print(json.dumps({k: v for k, v in os.environ.items() if 'DAPR' in k or 'FORK' in k}));"
        "sys.exit(7)"
    )

    ended = configured.run(
        *("up", *_FREE, "--", sys.executable, "-c", program),
        **{"DAPR_GRPC_ENDPOINT": "http://127.0.0.1:1", "DAPR_GRPC_PORT": "2", forking.VARIABLE: ""},
    )

    found = ended.json()
    found.pop("DAPR_BIN_DIR", None)  # says where the tests' own programs are
    assert ended.code == 7
    assert set(found) == {"DAPR_GRPC_PORT", "DAPR_HTTP_PORT"}
    assert ended.err == (
        f"hub: a sidecar is up: DAPR_GRPC_PORT={found['DAPR_GRPC_PORT']} DAPR_HTTP_PORT={found['DAPR_HTTP_PORT']}\n"
    )


def test_what_a_command_stored_is_there_at_the_next_start(configured: Folder) -> None:
    program = configured.write("state.py", _STATE)

    saved = configured.run("up", *_FREE, "--", sys.executable, str(program), "save", DAPR_API_TOKEN="t0ken")
    read = configured.run("up", *_FREE, "--", sys.executable, str(program), "read", DAPR_API_TOKEN="t0ken")

    assert (saved.code, saved.out, read.code, read.out) == (0, "kept\n", 0, "kept\n")
    assert "t0ken" not in saved.err


def test_without_a_command_it_stays_until_it_is_stopped(configured: Folder) -> None:
    with running(configured, "--json") as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", int(found["DAPR_GRPC_PORT"])), timeout=5):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_the_command_ends_with_it(configured: Folder) -> None:
    program = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
    with running(configured, "--", sys.executable, "-c", program) as process:
        assert process.stdout is not None
        command_pid = int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not Path(f"/proc/{command_pid}").exists()


def test_a_port_that_is_taken_is_told(configured: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        embedded = configured.run("up", "--grpc-port", port, "--http-port", "0")
        folder = configured.path / "programs"
        folder.mkdir()
        for name in ("daprd", "placement", "scheduler"):
            (folder / name).touch(0o755)
        real = configured.run("up", "--dapr", "--grpc-port", port, "--http-port", "0", DAPR_BIN_DIR=str(folder))

    assert (embedded.code, real.code) == (2, 2)
    assert f"127.0.0.1:{port}" in embedded.err
    assert f"port {port}: found another program there" in real.err


def test_programs_that_are_not_there_are_told_with_what_to_do(configured: Folder) -> None:
    command = configured.run("up", *_FREE, "--", "no-such-program")
    cache = configured.run("up", "--dapr", DAPR_BIN_DIR="", XDG_CACHE_HOME=str(configured.path))
    named = configured.run("up", "--dapr", DAPR_BIN_DIR=str(configured.path))
    resources = configured.run("up", "--resources", ".")

    assert (command.code, cache.code, named.code, resources.code) == (2, 2, 2, 2)
    assert "no-such-program: found no program to run" in command.err
    assert f"{configured.path}/interop-hub/dapr-1.18.2: found no placement" in cache.err
    assert "run `make dapr` in a checkout" in cache.err
    assert "set DAPR_BIN_DIR to another folder" in named.err
    assert "found --resources without --dapr" in resources.err


def test_a_program_that_ends_at_once_is_told_with_its_log(configured: Folder) -> None:
    folder = configured.path / "programs"
    folder.mkdir()
    for name, line in (
        ("daprd", "exec sleep 60"),
        ("placement", "echo broken; exit 3"),
        ("scheduler", "exec sleep 60"),
    ):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)

    ended = configured.run("up", "--dapr", *_FREE, DAPR_BIN_DIR=str(folder))

    assert ended.code == 3
    assert ended.err.startswith("hub: Dapr's placement ended with status 3; its log is ")
    assert Path(ended.err.split()[-1]).read_text() == "broken\n"
