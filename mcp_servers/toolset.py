"""Typed tools: pydantic models are the schemas, arguments are checked, refusals are answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Generic, TypeVar

from mcp.server.context import ServerRequestContext
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema

ArgumentsT = TypeVar("ArgumentsT", bound=BaseModel)

RequestContext = ServerRequestContext[Any, Any]


class ToolRefusedError(Exception):
    """The tool can't do this; the message names the thing, what was expected and what to do, for the caller to read."""


class _PlainJsonSchema(GenerateJsonSchema):
    """Schemas without the generated titles, which tell a model nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One request for a tool, and the answers that came with it."""

    context: RequestContext
    answers: dict[str, ElicitResult]
    """What was answered to the questions of the round before, by their keys."""
    state: str | None
    """What the round before left, unsealed."""


@dataclass(frozen=True, kw_only=True)
class TypedTool(Generic[ArgumentsT]):
    """One tool: its face to the client, and the function behind it."""

    name: str
    title: str
    description: str
    arguments: type[ArgumentsT]
    result: type[BaseModel]
    annotations: ToolAnnotations
    run: Callable[[ToolCall, ArgumentsT], Awaitable[BaseModel | InputRequiredResult]]

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        schema = self.arguments.model_json_schema(schema_generator=_PlainJsonSchema)
        return {key: value for key, value in schema.items() if key not in ("title", "description")}

    @cached_property
    def declaration(self) -> Tool:
        output = self.result.model_json_schema(mode="serialization", schema_generator=_PlainJsonSchema)
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema,
            output_schema={key: value for key, value in output.items() if key != "title"},
            annotations=self.annotations,
        )

    async def call(self, call: ToolCall, raw: dict[str, Any]) -> CallToolResult | InputRequiredResult:
        result = await self.run(call, self.arguments.model_validate(raw))
        if isinstance(result, InputRequiredResult):
            return result
        return CallToolResult(
            content=[TextContent(text=result.model_dump_json())], structured_content=result.model_dump(mode="json")
        )


class Toolset:
    """The tools of one server, as handlers of its protocol methods."""

    def __init__(self, tools: Sequence[TypedTool[Any]]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def input_schema(self, tool_name: str) -> dict[str, Any] | None:
        tool = self._tools.get(tool_name)
        return None if tool is None else tool.input_schema

    async def list(self, _context: RequestContext, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.declaration for tool in self._tools.values()])

    async def call(
        self, context: RequestContext, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """Run one tool; arguments that do not fit and refusals are answers with `isError`, for the model to read.

        Source: MCP 2026-07-28, server/tools, error handling.
        """
        tool = self._tools.get(params.name)
        if tool is None:
            return _refusal(_unknown(params.name, list(self._tools)))
        answers = {
            key: answer for key, answer in (params.input_responses or {}).items() if isinstance(answer, ElicitResult)
        }
        try:
            return await tool.call(
                ToolCall(context=context, answers=answers, state=params.request_state), params.arguments or {}
            )
        except ValidationError as error:
            return _refusal(_misfit(params.name, error))
        except ToolRefusedError as error:
            return _refusal(str(error))


def _refusal(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def _unknown(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=3) or known
    return f"There is no tool {name!r}; there are: {', '.join(near)}."


def _misfit(tool_name: str, error: ValidationError) -> str:
    problems = [
        f"{_json_path(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return f"The arguments do not fit {tool_name}: {'; '.join(problems)}."


def _json_path(location: Sequence[int | str]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
