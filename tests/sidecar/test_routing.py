"""Workers that say which workflows they have are given no others: several programs share one sidecar."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from hub.sidecar.proto import Empty, service_pb
from hub.sidecar.routing import WORKER_HEADER, WORKFLOWS_HEADER
from hub.sidecar.server import open_sidecar
from hub.sidecar.settings import SidecarSettings
from hub.workflows import worker
from tests.sidecar.test_workers import RawWorker, complete, schedule


class Specialist(RawWorker):
    """A worker that says what it has."""

    def __init__(self, port: int, name: str, *workflows: str) -> None:
        super().__init__(port)
        self.name = name
        self.workflows = workflows

    @property
    def headers(self) -> tuple[tuple[str, str | bytes], ...]:
        return ((WORKER_HEADER, self.name), (WORKFLOWS_HEADER, "\n".join(self.workflows).encode()))

    async def connect(self, capabilities: tuple[int, ...] = ()) -> None:
        call: Any = self._channel.unary_stream(
            "/TaskHubSidecarService/GetWorkItems",
            request_serializer=service_pb.GetWorkItemsRequest.SerializeToString,
            response_deserializer=service_pb.WorkItem.FromString,
        )
        self._stream = call(service_pb.GetWorkItemsRequest(), metadata=self.headers)
        await self._stream.initial_metadata()

    async def say_hello(self, *workflows: str) -> None:
        self.workflows = workflows
        call: Any = self._channel.unary_unary(
            "/TaskHubSidecarService/Hello",
            request_serializer=Empty.SerializeToString,
            response_deserializer=Empty.FromString,
        )
        await call(Empty(), metadata=self.headers)

    async def start_named(self, run_id: str, name: str) -> None:
        request = service_pb.CreateInstanceRequest(instanceId=run_id, name=name)
        await self.call("StartInstance", request, service_pb.CreateInstanceResponse)

    async def finish(self, run_id: str) -> None:
        """Take the turn of a run, and end it."""
        item = await self.take()
        assert item.workflowRequest.instanceId == run_id
        await self.answer(item, complete(1, '"done"'))
        await self.wait_for_state(run_id, lambda state: state.workflowStatus == 1)


@contextlib.asynccontextmanager
async def sidecar(tmp_path: Path, **limits: Any) -> AsyncGenerator[int]:
    async with open_sidecar(SidecarSettings(db_path=tmp_path / "s.db", **limits)) as opened:
        yield opened.grpc_port


async def test_each_run_goes_to_the_worker_that_has_its_workflow(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as port:
        apples, pears = Specialist(port, "1", "apple"), Specialist(port, "2", "pear", "plum")
        await apples.connect()
        await pears.connect()
        for number in range(3):
            await apples.start_named(f"pear-{number}", "pear")
            await pears.finish(f"pear-{number}")
        await apples.start_named("apple-1", "apple")
        await apples.finish("apple-1")
        await pears.start_named("plum-1", "plum")
        await pears.finish("plum-1")
        await apples.close()
        await pears.close()


async def test_a_run_waits_for_a_worker_that_has_its_workflow(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as port:
        apples, pears = Specialist(port, "1", "apple"), Specialist(port, "2", "pear")
        await apples.connect()
        await apples.start_named("pear-1", "pear")
        await apples.start_named("apple-1", "apple")
        await apples.finish("apple-1")
        await pears.connect()
        await pears.finish("pear-1")
        await apples.close()
        await pears.close()


async def test_the_activities_of_a_run_go_where_its_turns_go(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as port:
        first, other, second = (Specialist(port, name, kind) for name, kind in (("1", "w"), ("2", "x"), ("3", "w")))
        await first.connect()
        await other.connect()
        await first.start("run")
        await first.answer(await first.take(), schedule(1), schedule(2))
        assert (await first.take()).activityRequest.taskId == 1
        await first.close()
        await other.start_named("x-1", "x")
        await other.finish("x-1")
        await second.connect()
        taken = [await second.take() for _ in range(2)]
        assert sorted(each.activityRequest.taskId for each in taken) == [1, 2]
        for each in taken:
            await second.answer_activity(each, "1")
        await second.finish("run")
        await other.close()
        await second.close()


async def test_a_worker_that_is_full_does_not_hold_up_another_programs_work(tmp_path: Path) -> None:
    async with sidecar(tmp_path, turns_per_worker=1, activities_per_worker=1) as port:
        busy, idle = Specialist(port, "1", "w"), Specialist(port, "2", "x")
        await busy.connect()
        await idle.connect()
        await busy.start("run")
        await busy.answer(await busy.take(), *[schedule(number) for number in range(1, 6)])
        held = await busy.take()
        await idle.start_named("x-1", "x")
        turn = await idle.take()
        await idle.answer(turn, schedule(1))
        await idle.answer_activity(await idle.take(), "1")
        await idle.finish("x-1")
        await busy.answer_activity(held, "1")
        await busy.close()
        await idle.close()


async def test_a_worker_may_say_later_that_it_has_more(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as port:
        growing = Specialist(port, "1", "apple")
        await growing.connect()
        await growing.start_named("pear-1", "pear")
        await growing.start_named("apple-1", "apple")
        await growing.finish("apple-1")
        await growing.say_hello("apple", "pear")
        await growing.finish("pear-1")
        await growing.close()


async def test_a_worker_that_says_nothing_is_given_everything(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as port:
        plain, pears = RawWorker(port), Specialist(port, "2", "pear")
        await plain.connect()
        await pears.connect()
        await pears.start_named("apple-1", "apple")
        item = await plain.take()
        assert item.workflowRequest.instanceId == "apple-1"
        await plain.close()
        await pears.close()


def test_the_workers_of_this_project_say_it_in_the_same_words() -> None:
    assert (worker.WORKER_HEADER, worker.WORKFLOWS_HEADER) == (WORKER_HEADER, WORKFLOWS_HEADER)
