"""The protocol itself: both eras, bad messages, and a clean wire."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.host import HOST_PROGRAM
from tests.host.raw_host import HostCommand, Json, RawHost, envelope

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
INTERPRETERS = ("3.10", "3.11", "3.12", "3.13")


def _interpreter(version: str) -> str | None:
    """Find an interpreter that starts: a version manager's shim may stand for none."""
    managed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    candidates = [*map(str, managed), shutil.which(f"python{version}")]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], check=False, capture_output=True).returncode == 0:
            return candidate
    return None


@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_host_serves_with_the_standard_library_alone(version: str, tmp_path: Path) -> None:
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    (tmp_path / "own.py").write_text("def double(number: int) -> int:\n    return 2 * number\n")
    arguments = ["--target", "functions:own.py", "--project", str(tmp_path), "--state-dir", str(tmp_path / "state")]
    host = RawHost([python, "-I", "-S", str(HOST_PROGRAM), *arguments], {}, None)
    try:
        assert list(host.tools()) == ["double"]
        assert host.call("double", {"number": 21}, key="k")["structuredContent"] == {"result": 42}
        assert host.close() == 0
    finally:
        host.process.kill()
    assert host.errors == []


@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_host_imports_nothing_but_the_standard_library(version: str) -> None:
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    listing = (
        f"import sys; sys.path.insert(0, {str(HOST_PROGRAM.parent)!r}); import interop_hub_host.program;"
        "own = sys.stdlib_module_names | {'interop_hub_host', '__main__'};"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - own))"
    )
    done = subprocess.run([python, "-I", "-S", "-c", listing], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_every_legacy_version_is_agreed_on(commands: dict[str, HostCommand], version: str) -> None:
    with commands["functions"].open() as host:
        assert host.shake_hands(version) == {
            "protocolVersion": version,
            "capabilities": {"tools": {"listChanged": False}},
            "serverInfo": {"name": "interop-hub-host", "version": "0.1.0"},
        }
        assert host.submit("ping").result() == {}
        listed = host.submit("tools/list").result()
    assert "resultType" not in listed
    assert "three_steps" in [tool["name"] for tool in listed["tools"]]


def test_an_unknown_version_is_answered_with_the_newest_legacy_one(commands: dict[str, HostCommand]) -> None:
    with commands["functions"].open() as host:
        assert host.shake_hands("1999-01-01")["protocolVersion"] == "2025-11-25"


def test_discovery_names_the_modern_version(hosts: dict[str, RawHost]) -> None:
    assert hosts["functions"].submit("server/discover", {"_meta": envelope()}).result() == {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {"listChanged": False}},
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "interop-hub-host", "version": "0.1.0"}},
    }


def test_a_version_from_the_future_is_refused_with_those_that_are_spoken(hosts: dict[str, RawHost]) -> None:
    meta = {**envelope(), "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    assert hosts["functions"].submit("tools/list", {"_meta": meta}).reply()["error"] == {
        "code": -32022,
        "message": "Unsupported protocol version",
        "data": {"supported": ["2026-07-28"], "requested": "2099-01-01"},
    }


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("no/such/method", {"_meta": {}}, -32601),
        ("tools/call", {"name": "no_such_tool", "arguments": {}}, -32602),
        ("tools/call", {"name": "noisy", "arguments": []}, None),
    ],
)
def test_bad_requests_get_their_error_and_the_host_goes_on(
    hosts: dict[str, RawHost], method: str, params: Json, code: int | None
) -> None:
    reply = hosts["functions"].submit(method, params).reply()
    if code is None:
        assert reply["result"]["isError"] is False
    else:
        assert reply["error"]["code"] == code
    assert hosts["functions"].submit("ping").result() == {}


def test_what_is_no_message_gets_an_error_without_an_id(commands: dict[str, HostCommand]) -> None:
    command = commands["functions"]
    lines = [
        b"{nonsense",
        b"[" * 100_000,
        b"5",
        b'"text"',
        b"[]",
        b"",
        json.dumps({"id": [], "method": "ping"}).encode(),
    ]
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    done = subprocess.run(
        [str(command.python), *command.arguments()],
        input=b"\n".join([*lines, ping, b""]),
        env=command.environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [reply.get("error", {}).get("code") for reply in replies[:-1]] == [-32700, -32700, *[-32600] * 4]
    assert {reply["id"] for reply in replies[:-1]} == {None}
    assert replies[-1] == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_a_batch_is_answered_as_one_array(commands: dict[str, HostCommand]) -> None:
    command = commands["functions"]
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {**HELLO, "protocolVersion": "2025-03-26"}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        7,
        {"jsonrpc": "2.0", "id": 2, "method": "ping"},
    ]
    process = subprocess.Popen(
        [str(command.python), *command.arguments()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=command.environment(),
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(batch).encode() + b"\n")
        process.stdin.flush()
        replies = json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(30) == 0
        process.stdout.close()
    finally:
        process.kill()
    assert [(reply["id"], "result" in reply) for reply in replies] == [(1, True), (None, False), (2, True)]


def test_prints_and_prompts_of_a_tool_stay_off_the_wire(hosts: dict[str, RawHost]) -> None:
    host = hosts["functions"]
    assert host.call("noisy", {})["structuredContent"] == {"result": "nobody there"}
    assert host.strange == []
    assert host.has_logged("noise")


def test_the_first_answer_comes_before_the_framework_is_imported(
    commands: dict[str, HostCommand], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "late.py").write_text(f"open({str(gate)!r}).close()\nimport crewai\n")
    with replace(commands["crewai"], project=tmp_path, targets=("crew:late:crew",)).open() as host:
        assert host.submit("server/discover", {"_meta": envelope()}).result()["supportedVersions"] == ["2026-07-28"]
        modules = Path(f"/proc/{host.process.pid}/maps").read_text() if sys.platform == "linux" else ""
        assert "pydantic_core" not in modules
        gate.open("w").close()  # waits until the host is at the program's module


def test_a_host_whose_input_ends_leaves_at_once(commands: dict[str, HostCommand]) -> None:
    with commands["functions"].open() as host:
        assert host.submit("ping").result() == {}
        assert host.close() == 0
