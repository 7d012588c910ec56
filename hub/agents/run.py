"""An agent within one run: its thread, its totals, its model and its memory as steps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from hub.agents.hooks import ModelCall
from hub.agents.memory.protocol import Overgrown, Recalled, as_overgrown
from hub.agents.messages import Message, text_of, to_text, user
from hub.agents.models.credentials import check_settings
from hub.agents.models.step import MODEL_STEP
from hub.agents.signatures import Json
from hub.agents.totals import Totals
from hub.workflows import STORE_RETRY, Context

if TYPE_CHECKING:
    from hub.agents.agent import DurableAgent
    from hub.agents.toolbox import Toolbox

THREAD_KEY = "thread"
"""In a run's meta: the conversation that it belongs to; child runs inherit it."""
_SUMMARISE = (
    "Write a summary of the conversation below for one who goes on with it: facts, decisions, names, numbers and open "
    "points. Write the summary only."
)


class AgentRun:
    """One agent within one run; everything here is durable code."""

    def __init__(self, agent: "DurableAgent", context: Context) -> None:
        self.agent = agent
        self.context = context
        self.thread = str(context.meta.get(THREAD_KEY) or context.run_id)
        self.totals = Totals()
        self.tool_calls = 0
        self._toolbox: Toolbox | None = None

    async def open_toolbox(self) -> "Toolbox":
        """The agent's tools; what sources offer is listed once a run."""
        if self._toolbox is None:
            from hub.agents.toolbox import open_toolbox

            self._toolbox = await open_toolbox(self)
        return self._toolbox

    async def ask_model(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Json] = (),
        output: Json | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Message:
        """Ask the agent's model once, as a step.

        Args:
            output: `{name, schema}`: the model has to answer by this "tool".

        Returns:
            The response, with calls of tools or without.
        """
        agent = self.agent
        call = ModelCall(messages=messages, tools=tools, settings={**agent.model_settings, **(settings or {})})
        for hook in agent.hooks:
            call = await hook.before_model(call)
        check_settings(call.settings, f"agent {agent.name}")
        request: Json = {"messages": list(call.messages)}
        if agent.model is not None:
            request["model"] = str(agent.model)
        for key, value in (("tools", list(call.tools)), ("output", output), ("settings", dict(call.settings))):
            if value:
                request[key] = value
        answered = cast("Json", await self.context.step(MODEL_STEP, request, retry=agent.model_retry))
        self.totals = self.totals.plus(answered)
        message = cast("Message", answered["message"])
        for hook in agent.hooks:
            message = await hook.after_model(message)
        return message

    # Memory

    async def recall(self, query: str) -> tuple[list[Message], str]:
        """What is remembered of the thread.

        Returns:
            The latest messages, and what belongs to the instructions: summary and earlier passages.
        """
        if self.agent.memory is None:
            return [], ""
        found = await self.context.step(recall_step_name(self.agent), self._thread_key, query, retry=STORE_RETRY)
        recalled = Recalled(**cast("dict[str, Any]", found))
        parts: list[str] = []
        if recalled.summary:
            parts.append(f"What was said before, in short:\n{recalled.summary}")
        if recalled.passages:
            parts.append("Earlier passages that may matter:\n" + "\n---\n".join(recalled.passages))
        return list(recalled.messages), "\n\n".join(parts)

    async def remember(self, messages: Sequence[Message]) -> None:
        """Add to the thread, and let the model summarise what has grown too long."""
        if self.agent.memory is None:
            return
        plain = [{key: value for key, value in each.items() if key != "instructions"} for each in messages]
        grown = await self.context.step(append_step_name(self.agent), self._thread_key, plain, retry=STORE_RETRY)
        if grown is not None:
            await self._summarise(as_overgrown(cast("dict[str, Any]", grown)))

    async def _summarise(self, grown: Overgrown) -> None:
        said = [f"{_who(message)}: {_told(message)}" for message in grown.messages]
        before = f"Summary so far:\n{grown.summary}\n\n" if grown.summary else ""
        summary = await self.ask_model([user(before + "\n".join(said), instructions=_SUMMARISE)])
        text = text_of(summary)
        await self.context.step(summary_step_name(self.agent), self._thread_key, grown.upto, text, retry=STORE_RETRY)

    @property
    def _thread_key(self) -> str:
        return f"{self.agent.name}/{self.thread}"

    def instructions(self, more: str = "") -> str | None:
        """The system prompt with what memory adds."""
        return "\n\n".join(each for each in (self.agent.system_prompt, more) if each) or None


_runs: WeakKeyDictionary[Context, dict[str, AgentRun]] = WeakKeyDictionary()
_owners: WeakKeyDictionary[Context, "DurableAgent"] = WeakKeyDictionary()


def begin_run(agent: "DurableAgent", context: Context) -> AgentRun:
    """Say that this run is one of this agent's durable methods."""
    _owners[context] = agent
    return agent_run(agent, context)


def owns(agent: "DurableAgent", context: Context) -> bool:
    """Whether the run is one of this agent's own."""
    return _owners.get(context) is agent


def agent_run(agent: "DurableAgent", context: Context) -> AgentRun:
    """The agent within this run, be it its own or another's, or an event handler's."""
    runs = _runs.setdefault(context, {})
    if agent.name not in runs:
        runs[agent.name] = AgentRun(agent, context)
    return runs[agent.name]


def recall_step_name(agent: "DurableAgent") -> str:
    return f"{agent.name}.memory.recall"


def append_step_name(agent: "DurableAgent") -> str:
    return f"{agent.name}.memory.append"


def summary_step_name(agent: "DurableAgent") -> str:
    return f"{agent.name}.memory.summary"


def _who(message: Message) -> str:
    return "Assistant" if message.get("kind") == "response" else "User"


def _told(message: Message) -> str:
    parts = cast("list[Json]", message.get("parts", []))
    told: list[str] = []
    for part in parts:
        if part.get("part_kind") == "tool-call":
            told.append(f"[calls {part.get('tool_name')} with {to_text(part.get('args'))}]")
        elif part.get("part_kind") == "tool-return":
            told.append(f"[{part.get('tool_name')} answers {to_text(part.get('content'))}]")
        elif isinstance(part.get("content"), str):
            told.append(str(part["content"]))
    return " ".join(told)
