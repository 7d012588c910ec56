"""`hub sidecar`: the embedded sidecar alone, and a program on the Dapr SDK that finds it by the usual variables."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Folder

_HUB = str(Path(sys.executable).with_name("hub"))
_STATE = """\
import sys
from dapr.clients import DaprClient

with DaprClient() as client:
    client.save_state(sys.argv[1], "key", "kept")
    print(client.get_state(sys.argv[1], "key").data.decode())
"""


def test_a_program_on_the_sdk_uses_it_with_its_token(folder: Folder) -> None:
    program = folder.write("state.py", _STATE)
    words = ["sidecar", "--db", "s.db", "--grpc-port", "0", "--http-port", "0", "--state-store", "mine", "--json"]
    with subprocess.Popen(
        [_HUB, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder.path,
        env=folder.environment(DAPR_API_TOKEN="t0ken"),
    ) as sidecar:
        assert sidecar.stdout is not None
        assert sidecar.stderr is not None
        try:
            ports = json.loads(sidecar.stdout.readline())
            done = _run(folder, program, "mine", **ports, DAPR_API_TOKEN="t0ken")
            refused = _run(folder, program, "mine", **ports, DAPR_API_TOKEN="wrong")
            sidecar.send_signal(signal.SIGTERM)
            assert sidecar.wait(20) == 0
        finally:
            sidecar.kill()
        said = sidecar.stderr.read()

    assert (done.returncode, done.stdout) == (0, "kept\n")
    assert refused.returncode != 0
    assert "must hold the sidecar's token" in refused.stderr
    assert "t0ken" not in said
    assert (folder.path / "s.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("words", [(), ("--db", "no.db", "--grpc-port", "70000")])
def test_what_it_needs_is_told(folder: Folder, words: tuple[str, ...]) -> None:
    ended = folder.run("sidecar", *words)

    assert ended.code == 2
    assert "see `hub sidecar --help`" in ended.err
    assert not list(folder.path.glob("*.db"))


def test_a_file_that_is_no_database_is_told_and_left_alone(folder: Folder) -> None:
    path = folder.write("s.db", "no database\n" * 100)

    ended = folder.run("sidecar", "--db", "s.db", "--grpc-port", "0", "--http-port", "0")

    assert ended.code == 2
    assert "the embedded sidecar: s.db is damaged" in ended.err
    assert path.read_text() == "no database\n" * 100


def _run(folder: Folder, program: Path, store: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(program), store],
        capture_output=True,
        text=True,
        env=folder.environment(**variables),
        timeout=60,
        check=False,
    )
