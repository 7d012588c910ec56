"""`Task(human_input=True)`: the person at the other end of the protocol instead of a prompt on standard input."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .failures import HostError

if TYPE_CHECKING:
    from .crew_run import CrewRun

Json = dict[str, Any]

_FEEDBACK: Final[Json] = {
    "type": "object",
    "properties": {
        "feedback": {
            "type": "string",
            "title": "Feedback",
            "description": "What should be better; empty to accept the result",
        }
    },
}


def people(run: "CrewRun") -> Any:
    """Build crewai's provider of human input for one run."""
    default: Any = import_module("crewai.core.providers.human_input").SyncHumanInputProvider
    loop = asyncio.get_running_loop()

    async def ask(provider: Any, answer: Any, context: Any, rounds: int) -> str:
        name = context.task.name or context.task.description
        message = f"Review the result of the task '{name}':\n\n{provider._get_output_string(answer)}"
        try:
            given = await run.ctx.ask(message, _FEEDBACK, place=f"{name} {rounds}")
        except HostError as error:
            run.failed = error
            raise
        if given is None:
            run.failed = HostError("declined", "the reviewer declined")
            raise run.failed
        return str(given.get("feedback") or "").strip()

    class People(default):
        def handle_feedback(self, formatted_answer: Any, context: Any) -> Any:
            """Ask from a worker thread: agents that work for others run there."""
            rounds = 0
            while context.ask_for_human_input:
                question = ask(self, formatted_answer, context, rounds)
                feedback = asyncio.run_coroutine_threadsafe(question, loop).result()
                rounds += 1
                if not feedback:
                    context.ask_for_human_input = False
                else:
                    context.messages.append(context._format_feedback_message(feedback))
                    formatted_answer = context._invoke_loop()
            return formatted_answer

        async def handle_feedback_async(self, formatted_answer: Any, context: Any) -> Any:
            rounds = 0
            while context.ask_for_human_input:
                feedback = await asyncio.wrap_future(
                    asyncio.run_coroutine_threadsafe(ask(self, formatted_answer, context, rounds), loop)
                )
                rounds += 1
                if not feedback:
                    context.ask_for_human_input = False
                else:
                    context.messages.append(context._format_feedback_message(feedback))
                    formatted_answer = await context._ainvoke_loop()
            return formatted_answer

    return People()
