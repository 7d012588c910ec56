"""`hub up --dapr` with Dapr's own programs, where they are found."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from hub.app.dapr_programs import PROGRAMS
from tests.sidecar.scenario import wait_until
from tests.tooling.dapr import find_programs

pytestmark = [
    pytest.mark.daprd,
    pytest.mark.skipif(find_programs() is None, reason="Dapr's own programs were not found (`make dapr`)"),
]

_HUB = str(Path(sys.executable).with_name("hub"))
_PARKED_RUN = (sys.executable, str(Path(__file__).with_name("parked_run.py")))
_START_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hub.yaml").write_text("servers: {}\n")
    return tmp_path


@contextlib.contextmanager
def hub_up(folder: Path, *command: str, token: str | None = None) -> "Generator[subprocess.Popen[str]]":
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    if token is not None:
        environment["DAPR_API_TOKEN"] = token
    words = ["up", "--dapr", "--json", "--grpc-port", "0", "--http-port", "0", *command]
    with subprocess.Popen(
        [_HUB, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def ports_of(process: "subprocess.Popen[str]") -> dict[str, str]:
    assert process.stdout is not None
    found: dict[str, str] = json.loads(process.stdout.readline())
    return found


def programs_in(folder: Path) -> dict[str, int]:
    """The programs of this test that run: name -> process id."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                words = (entry / "cmdline").read_bytes().split(b"\0")
                name = Path(os.fsdecode(words[0])).name
                if name in PROGRAMS and (entry / "cwd").resolve().is_relative_to(folder):
                    found[name] = int(entry.name)
    return found


def test_a_run_goes_on_after_all_programs_were_stopped_and_started_again(folder: Path) -> None:
    outputs: list[list[str]] = []
    for what in ("park", "go-on"):
        with hub_up(folder, "--", *_PARKED_RUN, what, token="t0ken") as process:
            out, err = process.communicate(timeout=_START_S)
        assert process.returncode == 0, err
        assert "t0ken" not in out + err
        outputs.append(out.splitlines()[1:])

    assert outputs == [["step 3"], ["step 106", "COMPLETED 212"]]
    assert programs_in(folder) == {}


def test_calls_without_the_token_are_refused(folder: Path) -> None:
    program = (
        "import os; os.environ.pop('DAPR_API_TOKEN')\n"
        "import grpc\n"
        "from dapr.clients import DaprClient\n"
        "with DaprClient() as client:\n"
        "    try: client.get_state('statestore', 'key')\n"
        "    except grpc.RpcError as error: print(error.code().name)\n"
    )
    with hub_up(folder, "--", sys.executable, "-c", program, token="t0ken") as process:
        out, err = process.communicate(timeout=_START_S)

    assert (process.returncode, out.splitlines()[1:]) == (0, ["UNAUTHENTICATED"]), err


def test_a_program_that_dies_ends_the_rest_and_is_named(folder: Path) -> None:
    with hub_up(folder) as process:
        ports_of(process)
        running = programs_in(folder)
        os.kill(running["scheduler"], signal.SIGKILL)
        out, err = process.communicate(timeout=_START_S)

    assert sorted(running) == sorted(PROGRAMS)
    error = json.loads(out)["error"]
    assert (process.returncode, error["code"], error["retryable"]) == (3, "unavailable", True), err
    assert error["message"].startswith("Dapr's scheduler ended with status -9; its log is ")
    assert programs_in(folder) == {}


def test_nothing_is_left_when_it_is_killed_and_the_next_start_is_well(folder: Path) -> None:
    with hub_up(folder) as process:
        ports_of(process)
        assert sorted(programs_in(folder)) == sorted(PROGRAMS)
        process.kill()
        wait_until(lambda: not programs_in(folder), "the programs have ended")
    with hub_up(folder) as process:
        ports_of(process)
        with hub_up(folder) as second:
            out, _ = second.communicate(timeout=_START_S)
        process.send_signal(signal.SIGINT)
        assert process.wait(_START_S) == 0

    assert second.returncode == 2
    assert "expected no other `hub up --dapr` on it" in json.loads(out)["error"]["message"]
