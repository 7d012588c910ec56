"""A flow's questions: `@human_feedback` ends the run until the answer comes, `Flow.ask()` waits for it."""

import asyncio
import threading
from importlib import import_module
from typing import Any, Final

from .crew_run import current_run
from .failures import HostError
from .plain import to_text
from .tools import Question

Json = dict[str, Any]

_ANSWER: Final[Json] = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


class _Pause:
    """A provider of feedback that never waits."""

    def request_feedback(self, context: Any, flow: Any) -> str:
        raise import_module("crewai.flow.async_feedback.types").HumanFeedbackPending(context=context)


class _Asker:
    """A provider of input that asks the caller of the run."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()

    def request_input(self, message: str, flow: Any, metadata: Json | None = None) -> str | None:
        run = current_run()
        if run is None:
            return None
        with self._lock:
            run.asked += 1
            place = f"ask {run.asked}"
        question = run.ctx.ask(message, _ANSWER, place=place)

        async def wait() -> Any:
            return await question

        answer = asyncio.run_coroutine_threadsafe(wait(), self._loop).result()
        return None if answer is None else str(answer["answer"])


def install(loop: asyncio.AbstractEventLoop) -> None:
    """Take the place of crewai's prompts on standard input; a flow's own providers stay."""
    config = import_module("crewai.flow.flow_config").flow_config
    if not isinstance(config.input_provider, _Asker):
        config.hitl_provider = _Pause()
        config.input_provider = _Asker(loop)


def feedback_question(context: Any) -> Question:
    """Make the question of a pause: free text, or one of the outcomes that the flow goes on from."""
    properties: Json = {"feedback": {"type": "string", "title": "Feedback"}}
    schema: Json = {"type": "object", "properties": properties}
    if context.emit:
        properties["outcome"] = {"type": "string", "enum": list(context.emit), "title": "Outcome"}
        schema["required"] = ["outcome"]
    shown = "" if context.method_output is None else f"\n\n{to_text(context.method_output)}"
    return Question(message=f"{context.message}{shown}", schema=schema)


def give_feedback(context: Any, answer: Json | None) -> str:
    """Turn an answer into the text that the flow resumes with.

    The person has chosen the outcome: the model that would have guessed it from the text is not asked.
    """
    if answer is None:
        raise HostError("declined", "the reviewer declined")
    text = str(answer.get("feedback") or "")
    outcome = answer.get("outcome")
    if not context.emit or outcome is None:
        return text
    llm_class: Any = import_module("crewai.llms.base_llm").BaseLLM

    class Chosen(llm_class):
        def call(self, *_: Any, **__: Any) -> str:
            return str(outcome)

    context.llm = Chosen(model="chosen-by-a-person")
    return f"{outcome}. {text}".strip()
