"""The host: everything that a worker needs to run some agents."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import anyio
import anyio.abc

from hub.agents.agent import DurableAgent
from hub.agents.belongings import Belongings
from hub.agents.errors import MemoryFailedError
from hub.agents.house import House
from hub.agents.memory.protocol import MemoryStore
from hub.agents.messages import Message
from hub.agents.models.step import MODEL_STEP, ModelSettings, open_model_calls
from hub.agents.run import append_step_name, recall_step_name, summary_step_name
from hub.agents.signatures import Json
from hub.agents.source_steps import CALL_STEP, LIST_STEP
from hub.agents.step_caller import StepCaller
from hub.agents.tools import build_tool_step, tool_step_name
from hub.catalog.provider import Answer, Questions
from hub.errors import HubError, NameCollisionError, UnknownNameError, UnsupportedError, UpstreamDownError
from hub.workflows import Functions, current_step
from hub.workflows.values import to_json_value

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registered:
    """The names under which a worker knows what belongs to an agent."""

    workflows: Sequence[tuple[str, str | None]] = ()
    steps: Sequence[str] = ()


class AgentHost:
    """The agents of one process with what their steps use; made by `open_agent_host`."""

    def __init__(self, house: House, functions: Functions, group: anyio.abc.TaskGroup) -> None:
        self.agents: dict[str, DurableAgent] = {}
        self._house = house
        self._functions = functions
        self._group = group
        self._belongings: dict[str, Belongings] = {}
        self._registered: dict[str, _Registered] = {}

    def take(self, agents: Sequence[DurableAgent]) -> None:
        """Host these agents and those among their tools, in the place of all others.

        Who is hosted already stays as it is. The runs of an agent that is not among them any more go on; what its
        steps opened is closed once none of them uses it.

        Raises:
            NameCollisionError: two agents of one name.
        """
        wanted = {each.name: each for each in with_their_agents(agents)}
        new = [agent for name, agent in wanted.items() if self.agents.get(name) is not agent]
        for name, belongings in self._belongings.items():
            if wanted.get(name) is not belongings.agent:
                self._group.start_soon(belongings.close_unused)
        for agent in new:
            self._register(agent)
            self._belongings[agent.name] = Belongings(agent, self._house, self._group)
        self.agents.update(wanted)

    def _register(self, agent: DurableAgent) -> None:
        """Make an agent's durable methods and steps known, in the place of those of an earlier one of its name."""
        functions = self._functions
        earlier = self._registered.get(agent.name, _Registered())
        for name, version in earlier.workflows:
            functions.discard(name, version)
        for name in earlier.steps:
            functions.steps.discard(name)
        steps: dict[str, Callable[..., Any]] = {
            tool_step_name(agent.name, tool.name): build_tool_step(tool, owner) for tool, owner in agent.function_tools
        }
        if agent.memory is not None:
            steps.update(self._memory_steps(agent))
        for each in agent.workflows.values():
            functions.add(each)
        for name, step in steps.items():
            functions.steps.add(step, name)
        self._registered[agent.name] = _Registered(
            workflows=tuple((each.name, each.version) for each in agent.workflows.values()), steps=tuple(steps)
        )

    def _memory_steps(self, agent: DurableAgent) -> dict[str, Callable[..., Any]]:
        name = agent.name

        async def recall(thread: str, query: str) -> Any:
            async with self._memory(name) as store:
                return to_json_value(await store.recall(thread, query), "what is remembered")

        async def append(thread: str, messages: list[Message]) -> Any:
            step = current_step()
            key = step.key if step is not None else ""
            async with self._memory(name) as store:
                grown = await store.append(thread, messages, key=key)
            return to_json_value(grown, "what is to be summarised")

        async def summary(thread: str, upto: int, text: str) -> None:
            async with self._memory(name) as store:
                await store.save_summary(thread, upto, text)

        return {recall_step_name(agent): recall, append_step_name(agent): append, summary_step_name(agent): summary}

    @contextlib.asynccontextmanager
    async def _memory(self, name: str) -> AsyncGenerator[MemoryStore]:
        """An agent's memory, in use; its errors say whether to come again."""
        try:
            async with self._belongings[name].store() as store:
                yield store
        except HubError:
            raise
        except OSError as error:
            raise UpstreamDownError(f"the memory of agent {name} does not answer ({type(error).__name__})") from error
        except Exception as error:
            _log.exception("the memory of agent %s failed", name)
            raise MemoryFailedError(f"the memory of agent {name} failed with a {type(error).__name__}") from error

    async def list_tools(self, agent_name: str, place: int) -> list[Json]:
        """The tools of one of an agent's sources, as far as they are offered."""
        async with self._of(agent_name).provider(place) as (source, provider):
            listed = await provider.list("tools")
        kept = ("name", "description", "inputSchema")
        return [{key: each[key] for key in kept if key in each} for each in listed if source.is_offered(each)]

    async def call_tool(self, agent_name: str, place: int, params: Json) -> Json:
        """Call a tool of one of an agent's sources.

        Returns:
            `{answer: CallToolResult}`, or `{questions: InputRequiredResult}`.
        """
        step = current_step()
        caller = StepCaller(step.run_id if step is not None else agent_name, agent_name)
        belongings = self._of(agent_name)
        source = belongings.source(place)
        if not source.is_offered({"name": params.get("name")}):
            raise UnknownNameError(f"{source.name} offers no tool {params.get('name')!r} to {agent_name}")
        async with belongings.provider(place) as (_, provider):
            outcome = await provider.call(params, caller)
        if isinstance(outcome, Answer):
            return {"answer": outcome.body}
        if isinstance(outcome, Questions):
            return {"questions": outcome.body}
        raise UnsupportedError(f"{params.get('name')} went on as a task, which was not asked for")

    def _of(self, agent_name: str) -> Belongings:
        found = self._belongings.get(agent_name)
        if found is None:
            raise UnknownNameError(f"this process has no agent {agent_name!r}")
        return found

    async def close(self) -> None:
        """Close what steps opened; there are none any more."""
        for each in self._belongings.values():
            await each.close()


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
async def open_agent_host(house: House, functions: Functions, models: ModelSettings) -> AsyncGenerator[AgentHost]:
    """A host that makes its agents known to a worker, and keeps open what their steps use."""
    async with anyio.create_task_group() as group, open_model_calls(models) as calls:
        host = AgentHost(house, functions, group)
        functions.steps.add(cast("Callable[[Json], Awaitable[Json]]", calls.respond), MODEL_STEP)
        functions.steps.add(host.list_tools, LIST_STEP)
        functions.steps.add(host.call_tool, CALL_STEP)
        try:
            yield host
        finally:
            await host.close()
