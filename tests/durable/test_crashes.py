"""Whatever dies, and whenever: no run is lost, and no finished step is repeated."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hub.errors import StaleAnswerError
from hub.questions import Questions
from hub.workflows import DaprAddress, DaprConnection, DaprDownError, Runs, open_connection
from hub.workflows.mismatch import step_key
from hub.workflows.sdk import history_pb
from tests.durable.crash_flows import SHAPES, mixed
from tests.durable.histories import read_history
from tests.durable.ledger import read_effects, running_ledger
from tests.sidecar.processes import SidecarProcess, start_sidecar

pytestmark = pytest.mark.crash

CLOCK_SLACK_S = 0.002
AT_ONCE = 24


@dataclass
class Machine:
    """A sidecar and two workers, each killed and started again at will."""

    folder: Path
    ledger_port: int
    sidecar: SidecarProcess
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list["subprocess.Popen[bytes]"])
    kills: list[float] = field(default_factory=list[float])

    def start_worker(self) -> "subprocess.Popen[bytes]":
        ports = [str(self.sidecar.api.grpc_port), str(self.ledger_port)]
        with (self.folder / "workers.log").open("a") as log:
            return subprocess.Popen([sys.executable, "-m", "tests.durable.crash_flows", *ports], stderr=log)

    def kill_one(self) -> None:
        """SIGKILL one of the three, chosen by chance, and start it again."""
        victim = random.randrange(3)
        self.kills.append(time.time())
        if victim == 2:
            self.sidecar.kill()
            api = self.sidecar.api
            self.sidecar = start_sidecar(self.folder / "crash.db", grpc_port=api.grpc_port, http_port=api.http_port)
        else:
            self.workers[victim].kill()
            self.workers[victim].wait(10)
            self.workers[victim] = self.start_worker()


@contextlib.contextmanager
def running_machine(folder: Path, ledger_port: int) -> Generator[Machine]:
    machine = Machine(folder, ledger_port, start_sidecar(folder / "crash.db"))
    try:
        machine.workers = [machine.start_worker() for _ in range(2)]
        yield machine
    finally:
        for worker in machine.workers:
            worker.kill()
            worker.wait(10)
        machine.sidecar.kill()


async def until_done(call: Callable[[], Awaitable[object]]) -> None:
    """Try until Dapr is there."""
    while True:
        try:
            await call()
        except DaprDownError:
            await anyio.sleep(0.05)
        else:
            return


async def see_through(runs: Runs, number: int, results: dict[str, object]) -> None:
    """Start one run, give it what it waits for, and keep its result."""
    shape = SHAPES[number % len(SHAPES)]
    run_id = f"crash-{shape}-{number}"
    await until_done(lambda: runs.start(mixed, {"shape": shape}, run_id=run_id))
    if shape == "events":
        await until_done(lambda: runs.send(run_id, "nine", 9))
    results[run_id] = (await runs.wait(run_id)).result


async def answer_all(questions: Questions) -> None:
    """The person who says yes to everything."""

    async def answer_open() -> None:
        for each in await questions.list():
            with contextlib.suppress(StaleAnswerError):
                await questions.answer(each.id, {"action": "accept", "content": {}})
        await questions.redeliver()

    while True:
        await until_done(answer_open)
        await anyio.sleep(0.3)


async def kill_at_random(machine: Machine, count: int, over: anyio.Event) -> None:
    for _ in range(count):
        await anyio.sleep(random.uniform(0.2, 2.0))
        await anyio.to_thread.run_sync(machine.kill_one)
    over.set()


async def keep_starting(runs: Runs, least: int, over: anyio.Event, results: dict[str, object]) -> None:
    """New runs for as long as there are kills, and so many at least; returns when all have ended."""
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int) -> None:
        async with limiter:
            await see_through(runs, number, results)

    async with anyio.create_task_group() as group:
        number = 0
        while number < least or not over.is_set():
            while limiter.statistics().tasks_waiting:  # noqa: ASYNC110 - a limiter tells nobody of its waiters
                await anyio.sleep(0.02)
            group.start_soon(one, number)
            await anyio.lowlevel.checkpoint()
            number += 1


@pytest.mark.timeout(1_800)
async def test_no_run_is_lost_and_no_finished_step_repeated_under_sigkill(tmp_path: Path, full: bool) -> None:
    kills, least = (500, 200) if full else (25, 60)
    results: dict[str, object] = {}
    with running_ledger() as ledger_port, running_machine(tmp_path, ledger_port) as machine:
        address = DaprAddress(grpc_port=machine.sidecar.api.grpc_port)
        async with open_connection(address) as connection:
            runs, over = Runs(connection), anyio.Event()
            with anyio.fail_after(1_700 if full else 240):
                async with anyio.create_task_group() as group:
                    group.start_soon(answer_all, Questions(connection))
                    group.start_soon(kill_at_random, machine, kills, over)
                    await keep_starting(runs, least, over, results)
                    group.cancel_scope.cancel()
            assert len(machine.kills) == kills
            assert len(results) >= least
            assert set(results.values()) == {10}
            effects = await read_effects(ledger_port)
            problems = [
                problem
                for run_id in await run_ids(runs)
                for problem in repeated(await finished_steps(connection, run_id), effects, machine.kills)
            ]
            assert problems == []


async def run_ids(runs: Runs) -> list[str]:
    return [each.run_id for each in await runs.list(children=True)]


async def finished_steps(connection: DaprConnection, run_id: str) -> Mapping[str, tuple[float, float]]:
    """When each step of a run was scheduled, for the first time, and when it was finished, by its key."""
    history = await read_history(connection, run_id)
    scheduled = {each.eventId: each for each in history.events if each.HasField("taskScheduled")}
    since: dict[str, float] = {}
    finished: dict[str, tuple[float, float]] = {}
    for each in history.events:
        if each.HasField("taskScheduled"):
            since.setdefault(_key(each), _seconds(each))
        elif each.HasField("taskCompleted"):
            key = _key(scheduled[each.taskCompleted.taskScheduledId])
            finished[key] = (since[key], _seconds(each))
    return finished


def repeated(
    finished: Mapping[str, tuple[float, float]], effects: Mapping[str, Sequence[float]], kills: Sequence[float]
) -> list[str]:
    """Steps that had an effect after they were finished, or more of them than kills while they were in flight."""
    problems: list[str] = []
    for key, (scheduled_at, finished_at) in finished.items():
        times = effects.get(key, ())
        late = [at for at in times if at > finished_at + CLOCK_SLACK_S]
        allowed = 1 + sum(1 for at in kills if scheduled_at - CLOCK_SLACK_S <= at <= finished_at + CLOCK_SLACK_S)
        if late or len(times) > allowed:
            problems.append(f"{key}: {len(times)} effects, {allowed} allowed, {len(late)} after it was finished")
    return problems


def _key(event: history_pb.HistoryEvent) -> str:
    key = step_key(event.taskScheduled.input.value)
    assert key is not None
    return key


def _seconds(event: history_pb.HistoryEvent) -> float:
    return event.timestamp.ToNanoseconds() / 1e9
