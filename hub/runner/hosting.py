"""Agents on one worker: what they are may change while their runs go on."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread

from hub.agents.agent import DurableAgent
from hub.agents.errors import ModelMissingError
from hub.agents.host import AgentHost, open_agent_host, with_their_agents
from hub.agents.house import House
from hub.agents.memory.dapr_state import DaprState
from hub.agents.models.choice import MODEL_VARIABLE, OFFLINE, URL_KEY_VARIABLE
from hub.agents.models.step import ModelSettings, load_libraries
from hub.agents.signatures import Json
from hub.errors import InvalidInputError
from hub.events import PUBLISH, PUBLISH_STEP, Publisher, Subscription, open_subscriber
from hub.questions import Questions, keep_redelivering
from hub.workflows import Functions, Runs, Worker, WorkerSettings, Workflow, open_worker
from hub.workflows.components import Need, check_components


class HostedAgents:
    """The agents that one worker runs; made by `open_agents_on`."""

    def __init__(
        self, house: House, *, runs: Runs, host: AgentHost, models: ModelSettings, group: anyio.abc.TaskGroup
    ) -> None:
        self.runs = runs
        self._house = house
        self._host = host
        self._models = models
        self._group = group
        self._front = _Host(runs)
        self._owned: list[DurableAgent] = []
        self._worker: Worker | None = None
        self._loads_models = False

    def take(self, agents: Sequence[DurableAgent]) -> None:
        """Run these agents, in the place of all others; those that are run already are not touched.

        The runs of an agent that is not among them any more go on.

        Raises:
            InvalidInputError: an agent belongs to another open runner.
            NameCollisionError: two agents of one name.
            ModelMissingError: there is no such model, or no key for it.
        """
        agents = with_their_agents(agents)
        for agent in agents:
            if agent.host not in (None, self._front):
                raise InvalidInputError(f"agent {agent.name} belongs to another open runner")
            self._check_model(agent)
        self._host.take(agents)
        for agent in agents:
            if agent.host is None:
                agent.host = self._front
                self._owned.append(agent)
        default = self._models.default
        if not self._loads_models and any((agent.model or default or OFFLINE) != OFFLINE for agent in agents):
            self._loads_models = True
            self._group.start_soon(_load_in_thread)
        if self._worker is not None:
            self._worker.renew()

    def _check_model(self, agent: DurableAgent) -> None:
        try:
            self._models.check(agent.model)
        except ModelMissingError as error:
            raise ModelMissingError(f"agent {agent.name}: {error}") from error

    async def check(self, agents: Sequence[DurableAgent]) -> None:
        """See that Dapr has the state components that these agents need.

        Raises:
            MissingComponentError: it lacks one.
        """
        await check_components(self._house.dapr, _needs(with_their_agents(agents), self._house))

    def run_on(self, worker: Worker) -> None:
        """Tell the worker of each change from now on."""
        self._worker = worker

    def release(self) -> None:
        """Let the agents belong to another runner."""
        for agent in self._owned:
            agent.host = None


@contextlib.asynccontextmanager
async def open_agents_on(
    house: House,
    agents: Sequence[DurableAgent],
    environment: Mapping[str, str],
    *,
    workflows: Sequence[Workflow[..., Any]] = (),
    subscriptions: Sequence[Subscription] = (),
    pubsub: str = "pubsub",
    model: str | None = None,
    worker: WorkerSettings | None = None,
) -> AsyncGenerator[HostedAgents]:
    """One worker with these agents and everything that their runs need.

    Args:
        environment: `HUB_MODEL` and `HUB_MODEL_KEY` are taken from it, and which keys of providers there are.
        model: in the place of `HUB_MODEL`.

    Raises:
        InvalidInputError: an agent belongs to another open runner.
        ModelMissingError: there is no such model, or no key for it.
        DaprDownError: Dapr is not there.
        MissingComponentError: it lacks a component.
    """
    dapr = house.dapr
    functions = Functions([PUBLISH, *workflows])
    functions.steps.add(Publisher(dapr, pubsub).publish, PUBLISH_STEP)
    questions = Questions(dapr, store_name=house.state_store)
    questions.add_steps(functions.steps)
    for each in subscriptions:
        functions.add(each.delivery)
        functions.add(each.handling)
    models = ModelSettings(
        default=model or environment.get(MODEL_VARIABLE),
        url_key=environment.get(URL_KEY_VARIABLE),
        variables=frozenset(name for name, value in environment.items() if value),
    )
    async with contextlib.AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_agent_host(house, functions, models))
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        hosted = HostedAgents(house, runs=Runs(dapr), host=host, models=models, group=group)
        stack.callback(hosted.release)
        hosted.take(agents)
        hosted.run_on(await stack.enter_async_context(open_worker(dapr, functions, worker)))
        await hosted.check(agents)
        group.start_soon(keep_redelivering, questions)
        if subscriptions:
            await check_components(dapr, [Need(kind="pubsub", name=pubsub, whose=f"topic {subscriptions[0].topic!r}")])
            subscriber = await stack.enter_async_context(open_subscriber(dapr, pubsub, subscriptions))
            await subscriber.wait_ready()
        yield hosted


def _needs(agents: Sequence[DurableAgent], house: House) -> list[Need]:
    own = {
        agent.name: agent.memory.component
        for agent in agents
        if isinstance(agent.memory, DaprState) and agent.memory.component is not None
    }
    return [
        Need(kind="state", name=house.state_store, whose="`ctx.ask`"),
        *(Need(kind="state", name=store, whose=f"the memory of agent {name}") for name, store in own.items()),
    ]


class _Host:
    """What agents start runs through when they are called from outside of one."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def run(self, workflow: Workflow[..., Any], arguments: Json) -> Any:
        return await self._runs.result(await self._runs.start(workflow, arguments))


async def _load_in_thread() -> None:
    await anyio.to_thread.run_sync(load_libraries, abandon_on_cancel=True)
