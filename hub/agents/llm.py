"""`self.llm`: the agent's model, each call a step."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from hub.agents.errors import ModelRefusedError, NotHostedError
from hub.agents.messages import Message, ToolRequest, request, text_of, to_text, tool_requests, tool_return, user
from hub.agents.run import AgentRun, agent_run
from hub.agents.signatures import Json
from hub.errors import InvalidInputError
from hub.workflows import current_context
from hub.workflows.values import to_json_value

if TYPE_CHECKING:
    from hub.agents.agent import DurableAgent

M = TypeVar("M")

OUTPUT_TOOL = "final_result"
_TRIES = 3


class Llm:
    """The agent's model, for durable methods."""

    def __init__(self, agent: "DurableAgent") -> None:
        self._agent = agent

    async def generate(
        self, prompt: str, *, instructions: str | None = None, settings: Mapping[str, Any] | None = None
    ) -> str:
        """Let the model write something; no memory, no tools.

        Args:
            instructions: in the place of the agent's system prompt.
            settings: `temperature`, `max_tokens` and the like, over the agent's own.
        """
        run = self._run("generate")
        message = user(prompt, instructions=instructions or run.agent.system_prompt)
        return text_of(await run.ask_model([message], settings=settings))

    async def chat(self, message: str) -> str:
        """Say something in the run's thread: memory comes back into the prompt, and the answer goes into it."""
        run = self._run("chat")
        earlier, remembered = await run.recall(message)
        said = user(message, instructions=run.instructions(remembered))
        answered = await run.ask_model([*earlier, said])
        await run.remember([said, answered])
        return text_of(answered)

    async def summarize(self, content: object, *, instructions: str = "Summarise the following.") -> str:
        """Let the model summarise a text, or anything that is JSON."""
        run = self._run("summarize")
        text = to_text(to_json_value(content, "what is to be summarised"))
        return text_of(await run.ask_model([user(text, instructions=run.instructions(instructions))]))

    async def structured(self, form: type[M], prompt: str, *, instructions: str | None = None) -> M:
        """Let the model fill in a form.

        Args:
            form: a pydantic model, a dataclass, or any other type with a JSON schema.

        Raises:
            ModelRefusedError: what it wrote does not fit, three times.
        """
        run = self._run("structured")
        output = Output(form)
        messages: list[Message] = [user(prompt, instructions=instructions or run.agent.system_prompt)]
        for _ in range(_TRIES):
            answered = await run.ask_model(messages, output=output.request)
            value, complaint = output.read(answered)
            if complaint is None:
                return cast("M", value)
            messages += [answered, complaint]
        raise ModelRefusedError(f"the model gave no {output.title} that fits, {_TRIES} times")

    def _run(self, method: str) -> AgentRun:
        context = current_context()
        if context is None:
            raise NotHostedError(
                f"`{self._agent.name}.llm.{method}` is a step of a run: call it from a durable method, not from a tool "
                "or from outside"
            )
        return agent_run(self._agent, context)


class Output:
    """A form that a model fills in, as a tool that it has to call."""

    def __init__(self, form: object) -> None:
        try:
            self._adapter = TypeAdapter[Any](cast("Any", form))
            schema = self._adapter.json_schema()
        except Exception as error:
            raise InvalidInputError(f"{form!r} has no JSON schema; use a pydantic model or a dataclass") from error
        self.title = str(schema.get("title", "value"))
        self._wrapped = schema.get("type") != "object"
        if self._wrapped:
            definitions = schema.pop("$defs", None)
            schema = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
            if definitions:
                schema["$defs"] = definitions
        self.request: Json = {
            "name": OUTPUT_TOOL,
            "description": "Gives the final result.",
            "schema": schema,
        }

    def call_of(self, message: Message) -> ToolRequest | None:
        """The call that gives the result, if there is one."""
        return next((call for call in tool_requests(message) if call.name == OUTPUT_TOOL), None)

    def read(self, message: Message) -> tuple[Any, Message | None]:
        """The value that the model gave, or what to tell it."""
        call = self.call_of(message)
        if call is None:
            return None, user(f"Give the result by calling {OUTPUT_TOOL}.")
        try:
            arguments: Any = call.arguments
            return self._adapter.validate_python(arguments["value"] if self._wrapped else arguments), None
        except (ValidationError, KeyError, TypeError) as error:
            told = _complaint(error)
            others = [each for each in tool_requests(message) if each.id != call.id]
            parts = [tool_return(call, told, failed=True)]
            parts += [tool_return(each, "not called", failed=True) for each in others]
            return None, request(parts)


def _complaint(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "The result does not fit its schema."
    problems = [
        f"{'.'.join(str(part) for part in each['loc']) or 'value'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "The result does not fit its schema: " + json.dumps(problems, ensure_ascii=False)
