"""What the other tests lean on does what it says."""

import sys
from pathlib import Path

import pytest

from tests.tooling.environments import sdk_environment
from tests.tooling.locks import built_once
from tests.tooling.node import npm_package
from tests.tooling.ports import free_port
from tests.tooling.programs import open_program

GRANDCHILD = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(60)"
LISTENER = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"


def test_a_program_that_ends_before_it_is_ready_shows_what_it_wrote(tmp_path: Path) -> None:
    with (
        open_program([sys.executable, "-c", "print('no such luck')"], tmp_path / "log") as program,
        pytest.raises(RuntimeError, match="no such luck"),
    ):
        program.wait_for_port(free_port())


def test_a_program_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    with (
        open_program([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log") as program,
        pytest.raises(TimeoutError, match="not ready within"),
    ):
        program.wait_for_port(free_port(), deadline_s=0.2)


def test_the_end_of_a_program_is_the_end_of_its_children(tmp_path: Path) -> None:
    port = free_port()
    listener = LISTENER.format(port=port)
    with open_program([sys.executable, "-c", GRANDCHILD, listener], tmp_path / "first") as program:
        program.wait_for_port(port)

    with open_program([sys.executable, "-c", listener], tmp_path / "second") as heir:  # the port is free again
        heir.wait_for_port(port)


def test_what_was_built_is_built_again_only_for_another_fingerprint(tmp_path: Path) -> None:
    builds: list[str] = []
    folder = tmp_path / "thing"
    folder.mkdir()

    for fingerprint in ("one", "one", "two"):
        built_once(folder, fingerprint, lambda fingerprint=fingerprint: builds.append(fingerprint))

    assert builds == ["one", "two"]


def test_a_build_that_failed_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "thing"
    folder.mkdir()

    def broken() -> None:
        raise OSError("cut off")

    builds: list[str] = []
    with pytest.raises(OSError, match="cut off"):
        built_once(folder, "one", broken)
    built_once(folder, "one", lambda: builds.append("again"))

    assert builds == ["again"]


def test_a_version_that_is_not_locked_is_refused() -> None:
    with pytest.raises(ValueError, match=r"locks @modelcontextprotocol/inspector 2\.12\.0, not 1\.0\.0"):
        npm_package("@modelcontextprotocol/inspector", "1.0.0")
    with pytest.raises(ValueError, match=r"no lock for mcp 0\.1"):
        sdk_environment("0.1")
