"""The tools of one run of an agent: what the model sees, and where each call goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from hub.agents.durable_method import RUN_METHOD
from hub.agents.errors import ToolError
from hub.agents.hooks import ToolCall, ToolResult
from hub.agents.messages import ToolRequest
from hub.agents.signatures import Json
from hub.agents.source_steps import CALL_STEP, LIST_STEP, SOURCE_RETRY
from hub.agents.tools import tool_step_name
from hub.catalog.naming import public_name
from hub.workflows import ChildFailedError, Question, RetryPolicy, StepFailedError

if TYPE_CHECKING:
    from hub.agents.agent import DurableAgent
    from hub.agents.run import AgentRun

_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    definition: Json
    kind: Literal["function", "agent", "source"]
    target: str
    """Of a function: its step. Of an agent: its name. Of a source: the tool's own name there."""
    source: int = -1
    source_name: str | None = None
    retry: RetryPolicy | None = None
    timeout_s: float | None = None


class Toolbox:
    """Tools by the names that the model knows."""

    def __init__(self, run: "AgentRun", entries: Sequence[_Entry]) -> None:
        self._run = run
        self._entries = {str(each.definition["name"]): each for each in entries}

    @property
    def definitions(self) -> list[Json]:
        return [each.definition for each in self._entries.values()]

    async def call(self, request: ToolRequest) -> ToolResult:
        """Do what the model asks for. What goes wrong with it is a result too, for the model to read."""
        entry = self._entries.get(request.name)
        if entry is None:
            return ToolResult(content=f"there is no tool {request.name!r}", failed=True)
        if request.arguments is None:
            return ToolResult(content="the arguments are no JSON object", failed=True)
        call: ToolCall | ToolResult = ToolCall(
            id=request.id, tool=request.name, arguments=request.arguments, source=entry.source_name
        )
        for hook in self._run.agent.hooks:
            call = await hook.before_tool(call)
            if isinstance(call, ToolResult):
                return call
        result = await self._result(entry, call)
        for hook in self._run.agent.hooks:
            result = await hook.after_tool(call, result)
        return result

    async def _result(self, entry: _Entry, call: ToolCall) -> ToolResult:
        context = self._run.context
        try:
            if entry.kind == "function":
                step = context.step(entry.target, call.arguments, retry=entry.retry, timeout_s=entry.timeout_s)
                return ToolResult(content=await step)
            if entry.kind == "agent":
                return await self._call_agent(entry, call)
            return await self._call_source(entry, call)
        except StepFailedError as error:
            return ToolResult(content=_reason(call.tool, error), failed=True)

    async def _call_agent(self, entry: _Entry, call: ToolCall) -> ToolResult:
        known = entry.definition["inputSchema"]["properties"]
        unknown = [name for name in call.arguments if name not in known]
        if unknown:
            return ToolResult(content=f"{call.tool} takes no argument {unknown[0]!r}", failed=True)
        child = self._run.context.child(f"{entry.target}.{RUN_METHOD}", **call.arguments)
        return ToolResult(content=await child)

    async def _call_source(self, entry: _Entry, call: ToolCall) -> ToolResult:
        """Call a provider's tool; what it asks in between is asked of people, and it is called again with the answers.

        Source: MCP 2026-07-28, basic/patterns/mrtr.
        """
        context, agent = self._run.context, self._run.agent
        self._run.tool_calls += 1
        key = f"{context.run_id}/call#{self._run.tool_calls}"
        meta = {"hub/idempotencyKey": key, **context.trace}
        params: Json = {"name": entry.target, "arguments": call.arguments, "_meta": meta}
        for _ in range(_ROUNDS):
            outcome = cast("Json", await context.step(CALL_STEP, agent.name, entry.source, params, retry=SOURCE_RETRY))
            if "answer" in outcome:
                return _to_result(outcome["answer"])
            asked = cast("Json", outcome["questions"])
            wanted = cast("dict[str, Json]", asked.get("inputRequests") or {})
            replies = await context.gather(
                *(
                    context.ask(Question(method=str(each["method"]), params=each.get("params") or {}))
                    for each in wanted.values()
                )
            )
            answers = {name: dict(reply.result) for name, reply in zip(wanted, replies, strict=True)}
            params = {**params, "inputResponses": answers}
            if "requestState" in asked:
                params["requestState"] = asked["requestState"]
        return ToolResult(content=f"{call.tool} asked more than {_ROUNDS} times", failed=True)


async def open_toolbox(run: "AgentRun") -> Toolbox:
    """Find the agent's tools; those of sources are listed by steps, so the run keeps to what it found."""
    agent = run.agent
    entries = own_entries(agent)
    taken = {str(each.definition["name"]) for each in entries}
    sources = list(enumerate(agent.tool_sources))
    listings = await run.context.gather(
        *(run.context.step(LIST_STEP, agent.name, place, retry=SOURCE_RETRY) for place, _ in sources)
    )
    for (place, source), listing in zip(sources, listings, strict=True):
        for definition in cast("list[Json]", listing):
            own = str(definition["name"])
            name = public_name("", own)
            if name in taken:
                name = public_name(source.name, own)
            if name in taken:
                continue
            taken.add(name)
            entries.append(
                _Entry(
                    definition={**definition, "name": name},
                    kind="source",
                    target=own,
                    source=place,
                    source_name=source.name,
                )
            )
    return Toolbox(run, entries)


def own_entries(agent: "DurableAgent") -> list[_Entry]:
    """The tools that are code of this program: functions, methods, agents."""
    entries = [
        _Entry(
            definition=tool.definition,
            kind="function",
            target=tool_step_name(agent.name, tool.name),
            retry=tool.retry,
            timeout_s=tool.timeout_s,
        )
        for tool, _ in agent.function_tools
    ]
    entries += [
        _Entry(definition=each.as_tool_definition(), kind="agent", target=each.name) for each in agent.agent_tools
    ]
    return entries


def _reason(tool_name: str, error: StepFailedError) -> str:
    """Why a tool failed, for the model: the hub's own errors and `ToolError` speak for themselves, others do not."""
    if error.error_code is not None and not isinstance(error, ChildFailedError):
        if error.error_code == ToolError.code:
            return error.reason
        return f"{error.error_code}: {error.reason}"
    return f"{ToolError.code}: {tool_name} failed with {error.error_type}"


def _to_result(answer: Json) -> ToolResult:
    """A `CallToolResult` as a model reads it.

    Source: MCP 2026-07-28, server/tools (tool result).
    """
    failed = bool(answer.get("isError"))
    if answer.get("structuredContent") is not None and not failed:
        return ToolResult(content=answer["structuredContent"])
    texts = [_block(block) for block in cast("list[Json]", answer.get("content") or [])]
    return ToolResult(content="\n".join(texts), failed=failed)


def _block(block: Json) -> str:
    kind = block.get("type")
    if kind == "text":
        return str(block.get("text", ""))
    if kind == "resource":
        resource = cast("dict[str, Any]", block.get("resource") or {})
        return str(resource.get("text") or f"[resource {resource.get('uri')}]")
    if kind == "resource_link":
        return f"[resource {block.get('uri')}]"
    return f"[{kind}]"
