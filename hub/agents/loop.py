"""The default loop of an agent: ask the model, do what it calls for, tell it, until it answers."""

from typing import TYPE_CHECKING, Any

from hub.agents.errors import TurnLimitError
from hub.agents.hooks import ToolResult
from hub.agents.llm import Output
from hub.agents.messages import Message, ToolRequest, request, text_of, tool_requests, tool_return, user
from hub.agents.toolbox import Toolbox

if TYPE_CHECKING:
    from hub.agents.run import AgentRun


async def run_task(run: "AgentRun", task: str) -> Any:
    """Work on a task until the model gives its answer.

    Returns:
        The text of the answer, or the filled-in form where the agent has an `output_type`.

    Raises:
        TurnLimitError: the model went on calling tools.
    """
    agent = run.agent
    output = Output(agent.output_type) if agent.output_type is not None else None
    toolbox = await run.open_toolbox()
    earlier, remembered = await run.recall(task)
    instructions = run.instructions(remembered)
    told: list[Message] = [user(task, instructions=instructions)]
    for _ in range(agent.max_turns):
        answered = await run.ask_model(
            [*earlier, *told], tools=toolbox.definitions, output=None if output is None else output.request
        )
        told.append(answered)
        if output is not None and (output.call_of(answered) is not None or not tool_requests(answered)):
            value, complaint = output.read(answered)
            if complaint is None:
                await run.remember(_closed(told, output))
                return value
            told.append(_instructed(complaint, instructions))
            continue
        calls = tool_requests(answered)
        if not calls:
            await run.remember(told)
            return text_of(answered)
        results = await _call_all(run, toolbox, calls)
        parts = [
            tool_return(call, result.content, failed=result.failed) for call, result in zip(calls, results, strict=True)
        ]
        told.append(request(parts, instructions))
    raise TurnLimitError(
        f"{agent.name}: the model gave no answer within {agent.max_turns} turns; raise `max_turns`, or say in the "
        "system prompt when to stop"
    )


async def _call_all(run: "AgentRun", toolbox: Toolbox, calls: list[ToolRequest]) -> list[ToolResult]:
    if run.agent.parallel_tools:
        return await run.context.gather(*(toolbox.call(call) for call in calls))
    return [await toolbox.call(call) for call in calls]


def _closed(told: list[Message], output: Output) -> list[Message]:
    """The conversation for the memory: the call that gave the result gets its answer, as each call must have one."""
    parts = [
        tool_return(call, "taken" if call.name == output.request["name"] else "not called")
        for call in tool_requests(told[-1])
    ]
    return [*told, request(parts)]


def _instructed(message: Message, instructions: str | None) -> Message:
    return {**message, "instructions": instructions} if instructions else message
