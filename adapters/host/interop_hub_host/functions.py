"""Plain functions as tools: hints become schemas, the docstring becomes the description."""

import asyncio
import contextvars
import inspect
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .failures import HostError, TargetError
from .hints import Hints, Read
from .plain import to_plain, to_text
from .tools import Completed, HostTool, Outcome, RunContext, tool_name

Json = dict[str, Any]

INJECTED = ("progress", "ask")
"""Parameters, unhinted or callables, that the host fills in.

`progress(done, total, message)` tells how far the work is; `ask(message, schema)` asks a person.
"""


def module_functions(module: ModuleType, reference: str) -> list[HostTool]:
    """Give a module's public functions, in their order."""
    found = [
        item
        for name, item in vars(module).items()
        if inspect.isfunction(item) and item.__module__ == module.__name__ and not name.startswith("_")
    ]
    if not found:
        raise TargetError(reference, f"`{reference}` has no public functions of its own")
    return [function_tool(item, reference) for item in found]


def function_tool(
    function: Callable[..., Any], reference: str, *, name: str | None = None, description: str | None = None
) -> HostTool:
    """Wrap one function.

    Raises:
        TargetError: a hint that no JSON stands for.
    """
    own_name = str(getattr(function, "__name__", "function"))
    hints = Hints()
    properties: Json = {}
    required: list[str] = []
    readers: dict[str, Read] = {}
    injected: list[str] = []
    try:
        types = typing.get_type_hints(function, include_extras=True)
        for key, parameter in _named_parameters(function).items():
            if _is_injected(key, parameter, types.get(key)):
                injected.append(key)
                continue
            schema, readers[key] = hints.read(types.get(key, Any))
            if parameter.default is parameter.empty:
                required.append(key)
            elif parameter.default is not None:
                schema = {**schema, "default": to_plain(parameter.default)}
            properties[key] = schema
        inputs = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        if hints.definitions:
            inputs["$defs"] = hints.definitions
        outputs, wrapped = _output_schema(types.get("return", Any))
    except (TypeError, NameError) as error:
        message = f"`{reference}`: the hints of `{own_name}` make no JSON Schema"
        raise TargetError(reference, message, str(error)) from error

    async def call(arguments: Json, ctx: RunContext) -> Outcome:
        try:
            values = {key: readers[key](value) for key, value in arguments.items()}
        except (TypeError, ValueError, KeyError) as error:
            raise HostError("invalid_input", f"$: expected the arguments of {own_name}") from error
        if "progress" in injected:
            values["progress"] = _teller(ctx)
        if "ask" in injected:
            values["ask"] = _Asker(ctx, threaded=not inspect.iscoroutinefunction(function))
        if inspect.iscoroutinefunction(function):
            returned = await function(**values)
        else:
            returned = await asyncio.to_thread(contextvars.copy_context().run, lambda: function(**values))
        plain = to_plain(returned)
        return Completed(structured={"result": plain} if wrapped else plain, text=to_text(plain))

    return HostTool(
        name=name or tool_name(own_name),
        kind="function",
        description=description or inspect.getdoc(function) or own_name,
        input_schema=inputs,
        output_schema=outputs,
        call=call,
    )


def _named_parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    found: dict[str, inspect.Parameter] = {}
    for key, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"`{key}` can't be given by name")
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            found[key] = parameter
    return found


def _is_injected(key: str, parameter: inspect.Parameter, hint: Any) -> bool:
    wanted = hint is None or "Callable" in str(hint)
    return key in INJECTED and wanted and parameter.default is parameter.empty


def _output_schema(hint: Any) -> tuple[Json, bool]:
    """Give the result's schema, and whether it stands under `result`: a structured result is always an object."""
    hints = Hints()
    schema, _ = hints.read(hint)
    definitions = {"$defs": hints.definitions} if hints.definitions else {}
    inner = hints.definitions.get(str(schema.get("$ref", "")).rsplit("/", 1)[-1], schema)
    if inner.get("type") == "object":
        return {**inner, **definitions}, False
    return {"type": "object", "properties": {"result": schema}, "required": ["result"], **definitions}, True


def _teller(ctx: RunContext) -> Callable[..., None]:
    def progress(done: float, total: float | None = None, message: str = "") -> None:
        ctx.progress(float(done), None if total is None else float(total), str(message))

    return progress


class _Asker:
    """What an injected `ask` is: awaitable in an async function, blocking in another."""

    def __init__(self, ctx: RunContext, *, threaded: bool) -> None:
        self._ctx = ctx
        self._threaded = threaded
        self._loop = asyncio.get_running_loop()
        self._count = 0

    def __call__(self, message: str, schema: Json | None = None) -> Any:
        self._count += 1
        wanted = schema or {"type": "string"}

        async def ask() -> Any:
            answer = await self._ctx.ask(message, wanted, place=f"ask {self._count}")
            if answer is None:
                raise HostError("declined", "the person declined to answer")
            return answer

        if not self._threaded:
            return ask()
        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()
