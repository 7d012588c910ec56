"""`hub events`: publish, see what failed, let it run again."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hub import AgentRunner, DurableAgent
from hub.config import Places
from hub.events import Event
from hub.workflows import RetryPolicy
from tests.agentic.patience import until
from tests.tooling.hubs import hub_environment


async def test_a_failed_event_is_listed_and_replayed_by_the_command(
    tmp_path: Path, one_event_loop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub.yaml").write_text("servers: {}\n")
    environment = hub_environment(tmp_path / "home")
    monkeypatch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
    places = Places.of(tmp_path / "hub.yaml")

    def run_hub(*arguments: str) -> Any:
        command = [Path(sys.executable).with_name("hub"), *arguments, "--json", "-c", tmp_path / "hub.yaml"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    broken = True
    agent = DurableAgent(model="offline")
    runner = AgentRunner(agent, state_dir=places.state)

    @runner.subscribe("orders", retry=RetryPolicy(max_attempts=1))
    async def take(event: Event) -> str:
        if broken:
            raise ValueError("the shop is shut")
        return str(event["what"])

    async def on_thread(*arguments: str) -> Any:
        return await anyio.to_thread.run_sync(lambda: run_hub(*arguments))

    with anyio.fail_after(90):
        async with runner:
            published = await on_thread("events", "publish", "orders", '{"what": "bread"}')
            await until(lambda: runner.runs.list(statuses=["failed"]))
            [letter] = (await on_thread("events", "dead", "--topic", "orders"))["dead"]
            assert (letter["handler"], letter["error"]) == ("orders.take", "ValueError: the shop is shut")
            assert letter["event"]["id"] == published["id"]
            broken = False
            replayed = (await on_thread("events", "replay", letter["run"]))["replayed"]
            assert await runner.runs.result(replayed[letter["run"]]) == "bread"
            assert await on_thread("events", "dead") == {"dead": []}
