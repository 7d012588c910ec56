"""The agent: a class whose async methods are durable and whose `@tool` methods are steps."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Protocol, cast

from hub.agents.durable_method import RUN_METHOD, DurableMethod, durable_methods
from hub.agents.errors import ModelMissingError, NotHostedError, ToolError
from hub.agents.hooks import Hooks
from hub.agents.house import ToolSource
from hub.agents.llm import Llm, Output
from hub.agents.loop import run_task
from hub.agents.memory.protocol import Memory
from hub.agents.messages import ToolRequest
from hub.agents.models.choice import Model, choose
from hub.agents.models.credentials import check_settings
from hub.agents.run import agent_run
from hub.agents.signatures import Json
from hub.agents.tools import Tool
from hub.agents.totals import Totals
from hub.errors import InvalidInputError, NameCollisionError
from hub.events.publish import PUBLISH, publish_in
from hub.workflows import Context, NotDurableError, RetryPolicy, Workflow, current_context, current_step

ToolLike = Callable[..., Any] | Tool[..., Any] | ToolSource
"""What may stand in `tools`; agents are tool-like too."""

MODEL_RETRY = RetryPolicy(max_attempts=6, first_delay_s=1, max_delay_s=30, jitter=0.5)
"""For model calls: a provider that says when to come again is waited for, an hour in all; other passing errors back
off."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NOT_DURABLE = frozenset({"publish"})


class Host(Protocol):
    """The open runner that an agent belongs to."""

    async def run(self, workflow: Workflow[..., Any], arguments: Json) -> Any:
        """Start a run, wait for it, and give its result as plain JSON."""
        ...


class DurableAgent:
    """An agent whose work survives the process that does it.

    A subclass may set each of the arguments below as a class attribute instead. Its public `async` methods are
    durable: each call is a run. Its `@tool` methods are what its model may call: each call is a step.

    Args:
        name: the class in snake case unless given.
        description: what other agents and MCP clients read; the class's docstring unless given.
        system_prompt: stands before every conversation.
        model: `openai:...`, `anthropic:...`, `ollama:...`, `URL#NAME`, `offline`; `HUB_MODEL` unless given.
        tools: functions, other agents, `MCPToolProvider(...)`.
        memory: what is remembered of a conversation; nothing beyond the run unless given.
        max_turns: model calls of one `run`.
        parallel_tools: whether the calls that a model asks for in one turn run at once; else one after the other.
        output_type: a pydantic model or dataclass that `run` ends with, instead of a text.
        hooks: what is to be said before and after calls.
        model_settings: `temperature`, `max_tokens` and the like.
        model_retry: when a failed model call is tried again.
    """

    name: str = "durable_agent"
    description: str | None = None
    system_prompt: str | None = None
    model: str | Model | None = None
    tools: Sequence["ToolLike | DurableAgent"] = ()
    memory: Memory | None = None
    max_turns: int = 20
    parallel_tools: bool = True
    output_type: Any = None
    hooks: Sequence[Hooks] = ()
    model_settings: Mapping[str, Any] = {}
    model_retry: RetryPolicy = MODEL_RETRY

    methods: ClassVar[Mapping[str, DurableMethod]] = {}
    """The durable methods, by name."""
    host: Host | None = None
    """The open runner that it belongs to."""

    def __init__(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        system_prompt: str | None = None,
        model: str | Model | None = None,
        tools: "Sequence[ToolLike | DurableAgent] | None" = None,
        memory: Memory | None = None,
        max_turns: int | None = None,
        parallel_tools: bool | None = None,
        output_type: Any = None,
        hooks: Sequence[Hooks] | None = None,
        model_settings: Mapping[str, Any] | None = None,
        model_retry: RetryPolicy | None = None,
    ) -> None:
        given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        for key, value in given.items():
            if value is not None:
                setattr(self, key, value)
        self._check()

    def _check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInputError(f"agent name {self.name!r}: expected 1 to 40 of A-Z, a-z, 0-9, _ and -")
        if self.max_turns < 1:
            raise InvalidInputError(f"agent {self.name}: `max_turns` is 1 or more")
        if self.model is not None:
            try:
                choose(str(self.model))
            except ModelMissingError as error:
                raise ModelMissingError(f"agent {self.name}: {error}") from error
        check_settings(self.model_settings, f"agent {self.name}")
        for each, _ in self.function_tools:
            each.described.check()
        for method in self.methods.values():
            method.described.check()
        if self.output_type is not None:
            try:
                Output(self.output_type)
            except InvalidInputError as error:
                raise InvalidInputError(f"agent {self.name}: `output_type`: {error}") from error

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
        for name, value in list(cls.__dict__.items()):
            if isinstance(value, Tool):
                cast("Tool[..., Any]", value).described.check_early()
            elif inspect.iscoroutinefunction(value) and not name.startswith("_") and name not in _NOT_DURABLE:
                method = DurableMethod(value, name, cls.__name__)
                method.described.check_early()
                setattr(cls, name, method)
        cls.methods = durable_methods(cls)

    def __setattr__(self, name: str, value: object) -> None:
        if current_context() is not None:
            raise NotDurableError(
                f"agent {self.name}: the attribute `{name}` is set in a durable function, where it would not survive a "
                "replay; keep it in a local variable, in memory, or write it in a step"
            )
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"<agent {self.name}>"

    def rename(self, name: str) -> None:
        """Give it another name; histories know it by its name."""
        self.name = name
        self.__dict__.pop("workflows", None)
        self._check()

    async def run(self, task: str, thread: str | None = None) -> Any:
        """Work on a task with the agent's tools until it is done.

        Args:
            task: What is to be done, in plain words.
            thread: The conversation that this belongs to; a new one unless given.
        """
        run = agent_run(self, self.context)
        if thread is not None:
            run.thread = thread
        return await run_task(run, task)

    async def publish(self, topic: str, data: object = None, *, type: str | None = None) -> None:
        """Publish an event: a step inside of a run, a small run of its own outside of one.

        Args:
            data: anything that is JSON.
            type: of the event, for filters.
        """
        context = current_context()
        if context is not None:
            await publish_in(context, topic, data, type=type, source=self.name)
        elif self.host is None or current_step() is not None:
            raise NotHostedError(
                f"{self.name}.publish was called outside of a run, and {self.name} belongs to no open runner: open one "
                "with `async with AgentRunner(agent=...)`, or publish from a durable method"
            )
        else:
            arguments = {"topic": topic, "data": data, "type": type, "source": self.name}
            await self.host.run(PUBLISH, PUBLISH.signature.dump((), arguments))

    # In a run

    async def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call one of the agent's tools by the name that its model knows, as the model would.

        Raises:
            ToolError: the tool failed, or there is none of that name.
        """
        run = agent_run(self, self.context)
        toolbox = await run.open_toolbox()
        result = await toolbox.call(ToolRequest(id=name, name=name, arguments=dict(arguments or {})))
        if result.failed:
            raise ToolError(f"{name}: {result.content}")
        return result.content

    @property
    def llm(self) -> Llm:
        """The agent's model, for durable methods."""
        return Llm(self)

    @property
    def context(self) -> Context:
        """The run's context: time, timers, events, questions, `gather`, `race`, status.

        Raises:
            NotHostedError: no run is under way here.
        """
        context = current_context()
        if context is None:
            raise NotHostedError(f"{self.name}: `context` is there in durable methods and hooks only")
        return context

    @property
    def thread(self) -> str:
        """The conversation that the run belongs to."""
        return agent_run(self, self.context).thread

    @property
    def totals(self) -> Totals:
        """What the run has used of models so far, without its child runs."""
        return agent_run(self, self.context).totals

    # What it is made of

    @cached_property
    def workflows(self) -> Mapping[str, Workflow[..., Any]]:
        """Its durable methods as durable functions, by the methods' names."""
        return {name: method.build_workflow(self) for name, method in self.methods.items()}

    @property
    def function_tools(self) -> "Sequence[tuple[Tool[..., Any], DurableAgent | None]]":
        """Functions and methods that the model may call, with what their `self` is."""
        return self._sorted_tools[0]

    @property
    def agent_tools(self) -> "Sequence[DurableAgent]":
        """Agents that the model may call."""
        return self._sorted_tools[1]

    @property
    def tool_sources(self) -> Sequence[ToolSource]:
        """Where further tools come from."""
        return self._sorted_tools[2]

    def as_tool_definition(self) -> Json:
        """The agent as a tool of others: its `run`."""
        definition = self.methods[RUN_METHOD].definition
        doc = type(self).__doc__ if type(self) is not DurableAgent else None
        about = self.description or (inspect.cleandoc(doc) if doc else None)
        return {**definition, "name": self.name, "description": about or definition.get("description", "")}

    @cached_property
    def _sorted_tools(
        self,
    ) -> "tuple[list[tuple[Tool[..., Any], DurableAgent | None]], list[DurableAgent], list[ToolSource]]":
        functions: list[tuple[Tool[..., Any], DurableAgent | None]] = []
        for name in dir(type(self)):
            value = inspect.getattr_static(type(self), name)
            if isinstance(value, Tool):
                functions.append((cast("Tool[..., Any]", value), self))
        agents: list[DurableAgent] = []
        sources: list[ToolSource] = []
        for each in self.tools:
            if isinstance(each, DurableAgent):
                agents.append(each)
            elif isinstance(each, ToolSource):
                sources.append(each)
            else:
                made = cast("Tool[..., Any]", each) if isinstance(each, Tool) else _from_function(self.name, each)
                functions.append((made, None))
        names = [tool.name for tool, _ in functions] + [each.name for each in agents]
        for name in names:
            if names.count(name) > 1:
                raise NameCollisionError(f"agent {self.name} has two tools named {name!r}; give one another name")
        return functions, agents, sources


def _from_function(agent: str, given: object) -> Tool[..., Any]:
    bound = getattr(given, "tool", None)
    if isinstance(bound, Tool):
        raise InvalidInputError(
            f"agent {agent}: {bound.name!r} in `tools` is a tool of another agent; give that agent instead"
        )
    if not callable(given) or isinstance(given, type) or not hasattr(given, "__name__"):
        raise InvalidInputError(
            f"agent {agent}: {given!r} in `tools` is no function, no agent and no tool provider; "
            "expected a function with type hints, a DurableAgent, an MCPToolProvider or a CrewAITool"
        )
    return Tool(given)


DurableAgent.methods = {RUN_METHOD: DurableMethod(DurableAgent.run, RUN_METHOD, DurableAgent.__name__)}
setattr(DurableAgent, RUN_METHOD, DurableAgent.methods[RUN_METHOD])
