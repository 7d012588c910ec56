"""Both servers as programs: how they start and how they end."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tooling.ports import LOOPBACK

SERVERS = ["notes", "papers"]
DISCOVER: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "server/discover",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}


@contextlib.contextmanager
def started(name: str, folder: Path, arguments: Sequence[str] = ()) -> Generator["subprocess.Popen[str]"]:
    environment = {**os.environ, "NOTES_DB": str(folder / "notes.db")}
    process = subprocess.Popen(
        [sys.executable, "-m", f"mcp_servers.{name}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def discover(process: "subprocess.Popen[str]") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(DISCOVER) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    name: str = answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"]
    return name


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_ends_when_its_input_ends(name: str, tmp_path: Path) -> None:
    with started(name, tmp_path) as process:
        assert discover(process) == name
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_on_stdio_ends_in_order_on_a_signal(name: str, end: signal.Signals, tmp_path: Path) -> None:
    with started(name, tmp_path) as process:
        assert discover(process) == name
        process.send_signal(end)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_on_http_tells_its_address_and_ends_in_order_on_a_signal(
    name: str, end: signal.Signals, tmp_path: Path
) -> None:
    with started(name, tmp_path, ["--http", "0"]) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith(f"{name}: listening on http://{LOOPBACK}:")
        assert line.endswith("/mcp\n")
        process.send_signal(end)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("name", SERVERS)
def test_a_port_that_is_taken_is_named(name: str, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with started(name, tmp_path, ["--http", str(port)]) as process:
            _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert errors.startswith(f"{name}: can't listen on {LOOPBACK}:{port}: ")


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_does_not_listen_on_every_address(name: str, host: str, tmp_path: Path) -> None:
    with started(name, tmp_path, ["--http", "0", "--host", host]) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert errors == f"{name}: can't listen on {host}: expected the one address that clients use, such as 127.0.0.1\n"


def test_a_notes_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no database, but a text of some length" * 100)
    with started("notes", tmp_path) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert errors.startswith("notes: ")
    assert "can't be used as a notes file" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("arguments", [["--base-url", "ftp://x"], ["--interval", "x"], ["--http", "x"]])
def test_an_argument_that_does_not_fit_stops_the_start(arguments: list[str], tmp_path: Path) -> None:
    with started("papers", tmp_path, arguments) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert f"error: argument {arguments[0]}: " in errors
