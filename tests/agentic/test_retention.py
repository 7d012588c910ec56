"""What the embedded sidecar deletes, said where it is started: hub.yaml, or the runner's argument."""

import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hub import AgentRunner
from hub.config import Places
from hub.errors import ConfigError, InvalidInputError
from hub.workflows import Context, workflow
from tests.cli.running import Folder

FREE = ("--grpc-port", "0", "--http-port", "0")
UNTIL_THERE_ARE_NONE = """
import anyio, os
from hub.workflows import DaprAddress, Runs, open_connection


async def main() -> None:
    async with open_connection(DaprAddress(grpc_port=int(os.environ["DAPR_GRPC_PORT"]))) as connection:
        while await Runs(connection).list():
            await anyio.sleep(0.05)


anyio.run(main)
"""


@workflow
async def nothing(_: Context) -> None:
    """End at once."""


async def finish_a_run(state: Path) -> None:
    async with AgentRunner(workflows=[nothing], state_dir=state) as runner:
        await runner.runs.run(nothing, run_id="finished", timeout_s=30)


async def test_a_runner_deletes_finished_runs_after_the_time_that_it_was_given(
    tmp_path: Path, one_event_loop: None
) -> None:
    await finish_a_run(tmp_path)
    async with AgentRunner(state_dir=tmp_path, retention_s=3_600) as runner:
        kept = await runner.runs.list()
    with anyio.fail_after(30):
        async with AgentRunner(state_dir=tmp_path, retention_s=0) as runner:
            while await runner.runs.list():  # noqa: ASYNC110 - the sidecar deletes it
                await anyio.sleep(0.02)
    assert [each.run_id for each in kept] == ["finished"]


@pytest.mark.parametrize("command", ["runs", "up"])
async def test_a_command_deletes_them_after_the_time_that_the_configuration_says(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_event_loop: None
) -> None:
    folder = Folder(path=tmp_path)
    config = folder.write("hub.yaml", "sidecar: {retention_s: 0}\n")
    monkeypatch.setenv("XDG_STATE_HOME", folder.environment()["XDG_STATE_HOME"])
    await finish_a_run(Places.of(config).state)

    def until_there_are_none() -> str:
        if command == "up":
            return folder.run("up", *FREE, "--", sys.executable, "-c", UNTIL_THERE_ARE_NONE).err
        while "no runs fit" not in (said := folder.run("runs")).err:
            assert said.code == 0, said.err
        return said.err

    with anyio.fail_after(60):
        said = await anyio.to_thread.run_sync(until_there_are_none)
    assert "Traceback" not in said


async def test_a_time_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match="retention_s: found -1; expected seconds"):
        AgentRunner(retention_s=-1)
    (tmp_path / "hub.yaml").write_text("servers: [broken]\nsidecar:\n  retention_s: often\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^[^\n]*hub\.yaml:3: sidecar\.retention_s: found text `often`[^\n]*$"):
        async with AgentRunner(state_dir=tmp_path / "state"):
            pass
