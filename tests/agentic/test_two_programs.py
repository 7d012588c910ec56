"""Two programs with other agents share a folder's embedded sidecar: neither is given the runs of the other."""

from pathlib import Path

import anyio

from hub import AgentRunner, DurableAgent
from hub.events import Event
from tests.agentic.patience import until


class Baker(DurableAgent):
    """Bakes."""

    model = "offline"

    async def bake(self, what: str) -> str:
        """Bake something."""
        return await self.llm.generate(f"bread {what}")


class Smith(DurableAgent):
    """Forges."""

    model = "offline"

    async def forge(self, what: str) -> str:
        """Forge something."""
        return await self.llm.generate(f"iron {what}")


async def test_each_program_does_its_own_runs(tmp_path: Path, one_event_loop: None) -> None:
    baker, smith = Baker(), Smith()
    made: list[str] = []

    async def bake(number: int) -> None:
        made.append(await baker.bake(str(number)))

    async def forge(number: int) -> None:
        made.append(await smith.forge(str(number)))

    async with (
        AgentRunner(baker, state_dir=tmp_path),
        AgentRunner(smith, state_dir=tmp_path),
        anyio.create_task_group() as group,
    ):
        for number in range(20):
            group.start_soon(bake, number)
            group.start_soon(forge, number)
    assert len([each for each in made if "bread" in each]) == len([each for each in made if "iron" in each]) == 20


async def test_a_run_waits_until_its_program_is_there(tmp_path: Path, one_event_loop: None) -> None:
    baker, smith = Baker(), Smith()
    async with AgentRunner(baker, state_dir=tmp_path) as runner:
        run_id = await runner.runs.start("smith.forge", {"what": "nails"})
        for number in range(3):
            await baker.bake(str(number))
        assert (await runner.runs.status(run_id)).status == "pending"
        async with AgentRunner(smith, state_dir=tmp_path) as other:
            assert "iron nails" in await other.runs.result(run_id, timeout_s=20)


async def test_an_event_goes_from_one_program_to_the_other(tmp_path: Path, one_event_loop: None) -> None:
    baker, smith, told = Baker(), Smith(), anyio.Event()
    listening = AgentRunner(smith, state_dir=tmp_path)

    @listening.subscribe("baked")
    async def forge(event: Event) -> None:
        await smith.forge(event["what"])
        told.set()

    async with AgentRunner(baker, state_dir=tmp_path), listening:
        for _ in range(5):
            await baker.publish("baked", {"what": "a pan"})
        with anyio.fail_after(20):
            await told.wait()

            async def all_ended() -> bool:
                return not await listening.runs.list(statuses=["running", "pending"])

            await until(all_ended)
        assert not await listening.runs.list(statuses=["failed"])
