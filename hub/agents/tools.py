"""Tools: functions and methods that a model may call, each call a step of the run."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload

import anyio.to_thread

from hub.agents.signatures import Described, Json
from hub.workflows import RetryPolicy, current_context

if TYPE_CHECKING:
    from hub.workflows import Context

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
S = TypeVar("S")


class Tool(Generic[P, T]):
    """A function that a model may call; made by `@tool`."""

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.fn = fn
        self.name = name or fn.__name__
        self.retry = retry
        self.timeout_s = timeout_s
        self.owner: type | None = None
        self._described: Described | None = None
        if not _may_be_method(fn):  # of a method, its class asks
            self.described.check_early()

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner = owner
        self._described = None

    @property
    def described(self) -> Described:
        """What the function tells of itself; a method's `self` is none of it."""
        if self._described is None:
            where = f"{self.owner.__name__}." if self.owner is not None else ""
            self._described = Described(
                self.fn, is_method=self.owner is not None, what=f"tool {where}{self.fn.__name__}"
            )
        return self._described

    @property
    def definition(self) -> Json:
        """The tool as `tools/list` would have it.

        Source: MCP 2026-07-28, server/tools (data type Tool).
        """
        described = self.described
        definition: Json = {"name": self.name, "inputSchema": described.input_schema}
        if described.docstring.text:
            definition["description"] = described.docstring.text
        return definition

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self: "Tool[Concatenate[Any, Q], T]", instance: object, owner: type) -> "BoundTool[Q, T]": ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return self if instance is None else BoundTool[Any, Any](cast("Tool[..., Any]", self), cast("Named", instance))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Run it as a plain function; what a model calls goes through the agent."""
        return call_plainly(self.fn, args, kwargs)


def _may_be_method(fn: Callable[..., Any]) -> bool:
    """Whether it is written in a class's body, or has a `self`."""
    around = str(getattr(fn, "__qualname__", "")).rpartition(".")[0]
    return (around and not around.endswith("<locals>")) or next(iter(inspect.signature(fn).parameters), "") == "self"


class Named(Protocol):
    """The agent, as far as its tools know it."""

    @property
    def name(self) -> str: ...


class BoundTool(Generic[P, T]):
    """A tool method of one agent."""

    def __init__(self, tool: Tool[..., Any], agent: Named) -> None:
        self.tool = tool
        self.agent = agent

    @property
    def name(self) -> str:
        return self.tool.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Call it: a step inside of a run, a plain call outside of one."""
        ctx = current_context()
        if ctx is None:
            return call_plainly(self.tool.fn, (self.agent, *args), kwargs)
        arguments = self.tool.described.signature.dump(args, kwargs)
        return cast("Coroutine[Any, Any, T]", self._step(ctx, arguments))

    async def _step(self, ctx: "Context", arguments: Json) -> Any:
        result = await ctx.step(
            tool_step_name(self.agent.name, self.name), arguments, retry=self.tool.retry, timeout_s=self.tool.timeout_s
        )
        return self.tool.described.signature.load_result(result)


def tool_step_name(agent_name: str, tool_name: str) -> str:
    """The step under which histories know a tool of an agent."""
    return f"{agent_name}.{tool_name}"


def build_tool_step(tool: Tool[..., Any], agent: object | None) -> Callable[[Json], Awaitable[Any]]:
    """The step that runs a tool on plain JSON arguments.

    Args:
        agent: what `self` is, for a method.
    """

    async def run(arguments: Json) -> Any:
        args, kwargs = tool.described.signature.load(arguments)
        bound = args if agent is None else (agent, *args)
        return tool.described.signature.dump_result(await call_plainly(tool.fn, bound, kwargs))

    return run


async def call_plainly(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function where it is: an async one on the event loop, any other in a thread."""
    if inspect.iscoroutinefunction(fn):
        return await fn(*args, **kwargs)
    result = await anyio.to_thread.run_sync(lambda: fn(*args, **kwargs), abandon_on_cancel=True)
    return await result if inspect.isawaitable(result) else result


@overload
def tool(fn: Callable[P, Awaitable[T]], /) -> Tool[P, T]: ...
@overload
def tool(fn: Callable[P, T], /) -> Tool[P, T]: ...
@overload
def tool(
    *, name: str | None = None, retry: RetryPolicy | None = None, timeout_s: float | None = None
) -> "_Decorator": ...
def tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout_s: float | None = None,
) -> Any:
    """Let models call a function or a method.

    Its parameters need type hints; the schema is made of them, without `self`. The docstring describes it, and the
    `Args:` of it the parameters.

    Args:
        name: what models call it; the function's own name unless given.
        retry: when a failed call is tried again; never unless given.
        timeout_s: seconds that one call may take.

    Raises:
        InvalidInputError: a parameter has no type hint, or one of no form as JSON; of a method, its class raises it. A
            type that is not there yet is asked for again when an agent is made.
    """

    def declare(function: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(function, name=name, retry=retry, timeout_s=timeout_s)

    return declare if fn is None else declare(fn)


class _Decorator(Protocol):
    """What `@tool(...)` with settings decorates with."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> Tool[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, T], /) -> Tool[P, T]: ...
