"""The host: everything that a worker needs to run some agents."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

import anyio
import anyio.abc

from hub.agents.agent import DurableAgent
from hub.agents.house import House
from hub.agents.memory.protocol import MemoryStore
from hub.agents.messages import Message
from hub.agents.models.step import MODEL_STEP, ModelSettings, open_model_calls
from hub.agents.run import append_step_name, recall_step_name, summary_step_name
from hub.agents.signatures import Json
from hub.agents.source_steps import CALL_STEP, LIST_STEP
from hub.agents.step_caller import StepCaller
from hub.agents.tools import build_tool_step, tool_step_name
from hub.catalog.provider import Answer, Provider, Questions
from hub.errors import InvalidInputError, NameCollisionError, UnknownNameError, UnsupportedError, UpstreamDownError
from hub.workflows import Functions, current_step
from hub.workflows.values import to_json_value

_FIRST_LOOK_S = 30.0


class AgentHost:
    """The agents of one process with what their steps use; made by `open_agent_host`."""

    def __init__(self, agents: Sequence[DurableAgent], house: House, group: "_Keeper") -> None:
        self.agents = {each.name: each for each in with_their_agents(agents)}
        self._house = house
        self._keeper = group
        self._stores: dict[str, MemoryStore] = {}
        self._providers: dict[tuple[str, int], Provider] = {}
        self._opening = anyio.Lock()

    def register(self, functions: Functions, respond: Callable[[Json], Awaitable[Json]]) -> None:
        """Make the agents' durable methods and steps known to a worker."""
        functions.steps.add(respond, MODEL_STEP)
        functions.steps.add(self.list_tools, LIST_STEP)
        functions.steps.add(self.call_tool, CALL_STEP)
        for agent in self.agents.values():
            for each in agent.workflows.values():
                functions.add(each)
            for tool, owner in agent.function_tools:
                functions.steps.add(build_tool_step(tool, owner), tool_step_name(agent.name, tool.name))
            if agent.memory is not None:
                self._register_memory(agent, functions)

    def _register_memory(self, agent: DurableAgent, functions: Functions) -> None:
        async def recall(thread: str, query: str) -> Any:
            return to_json_value(await (await self._store(agent)).recall(thread, query), "what is remembered")

        async def append(thread: str, messages: list[Message]) -> Any:
            step = current_step()
            key = step.key if step is not None else ""
            grown = await (await self._store(agent)).append(thread, messages, key=key)
            return to_json_value(grown, "what is to be summarised")

        async def summary(thread: str, upto: int, text: str) -> None:
            await (await self._store(agent)).save_summary(thread, upto, text)

        functions.steps.add(recall, recall_step_name(agent))
        functions.steps.add(append, append_step_name(agent))
        functions.steps.add(summary, summary_step_name(agent))

    async def list_tools(self, agent_name: str, place: int) -> list[Json]:
        """The tools of one of an agent's sources, as far as they are offered."""
        source = self._agent(agent_name).tool_sources[place]
        listed = await (await self._provider(agent_name, place)).list("tools")
        kept = ("name", "description", "inputSchema")
        return [{key: each[key] for key in kept if key in each} for each in listed if source.is_offered(each)]

    async def call_tool(self, agent_name: str, place: int, params: Json) -> Json:
        """Call a tool of one of an agent's sources.

        Returns:
            `{answer: CallToolResult}`, or `{questions: InputRequiredResult}`.
        """
        source = self._agent(agent_name).tool_sources[place]
        if not source.is_offered({"name": params.get("name")}):
            raise UnknownNameError(f"{source.name} offers no tool {params.get('name')!r} to {agent_name}")
        step = current_step()
        caller = StepCaller(step.run_id if step is not None else agent_name, agent_name)
        outcome = await (await self._provider(agent_name, place)).call(params, caller)
        if isinstance(outcome, Answer):
            return {"answer": outcome.body}
        if isinstance(outcome, Questions):
            return {"questions": outcome.body}
        raise UnsupportedError(f"{params.get('name')} went on as a task, which was not asked for")

    def _agent(self, name: str) -> DurableAgent:
        found = self.agents.get(name)
        if found is None:
            raise UnknownNameError(f"this process has no agent {name!r}")
        return found

    async def _store(self, agent: DurableAgent) -> MemoryStore:
        async with self._opening:
            store = self._stores.get(agent.name)
            if store is None:
                if agent.memory is None:
                    raise InvalidInputError(f"agent {agent.name} has no memory any more; its run began with one")
                store = self._stores[agent.name] = await self._keeper.keep(agent.memory.open_store(self._house))
            return store

    async def _provider(self, agent_name: str, place: int) -> Provider:
        source = self._agent(agent_name).tool_sources[place]
        async with self._opening:
            provider = self._providers.get((agent_name, place))
            if provider is None:
                provider = await self._keeper.keep(source.open_provider(self._house))
                self._providers[agent_name, place] = provider
        if provider.state.phase == "starting":
            await _started(provider)
        return provider


async def _started(provider: Provider) -> None:
    """Wait until the server is there, or known to be down."""
    changed = anyio.Event()

    def heard(_: object) -> None:
        changed.set()

    stop = provider.watch(heard)
    try:
        with anyio.fail_after(_FIRST_LOOK_S):
            while provider.state.phase == "starting":
                await changed.wait()
                changed = anyio.Event()
    except TimeoutError as error:
        raise UpstreamDownError(f"{provider.name} is not there after {_FIRST_LOOK_S:g} s") from error
    finally:
        stop()


class _Keeper:
    """Holds contexts open that were entered in some step, and closes them in a task of its own, the last one first."""

    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        self._group = group
        self._ends: list[tuple[anyio.Event, anyio.Event]] = []

    async def keep(self, context: Any) -> Any:
        """Enter a context for as long as the host is open."""
        end, ended = anyio.Event(), anyio.Event()
        entered = await self._group.start(self._hold, context, end, ended)
        self._ends.append((end, ended))
        if isinstance(entered, _Failed):
            raise entered.error
        return entered

    async def _hold(
        self, context: Any, end: anyio.Event, ended: anyio.Event, *, task_status: anyio.abc.TaskStatus[Any]
    ) -> None:
        begun = False
        try:
            async with context as value:
                begun = True
                task_status.started(value)
                await end.wait()
        except Exception as error:
            if begun:
                raise
            task_status.started(_Failed(error))
        finally:
            ended.set()

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            for end, ended in reversed(self._ends):
                end.set()
                await ended.wait()


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error


def with_their_agents(agents: Iterable[DurableAgent]) -> list[DurableAgent]:
    """The agents and those among their tools, each once.

    Raises:
        NameCollisionError: two agents of one name.
    """
    found: dict[str, DurableAgent] = {}
    waiting = list(agents)
    while waiting:
        agent = waiting.pop(0)
        known = found.get(agent.name)
        if known is agent:
            continue
        if known is not None:
            raise NameCollisionError(
                f"two agents are named {agent.name!r}: {type(known).__name__} and {type(agent).__name__}; "
                "give one of them another `name`"
            )
        found[agent.name] = agent
        waiting.extend(agent.agent_tools)
    return list(found.values())


@contextlib.asynccontextmanager
async def open_agent_host(
    agents: Sequence[DurableAgent], house: House, functions: Functions, models: ModelSettings
) -> AsyncGenerator[AgentHost]:
    """Make agents known to a worker that is opened after this, and keep open what their steps use."""
    async with anyio.create_task_group() as group, open_model_calls(models) as calls:
        keeper = _Keeper(group)
        host = AgentHost(agents, house, keeper)
        host.register(functions, cast("Callable[[Json], Awaitable[Json]]", calls.respond))
        try:
            yield host
        finally:
            await keeper.close()
