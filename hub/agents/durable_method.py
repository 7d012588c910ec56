"""Durable methods: public `async` methods of an agent, each call a run."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from hub.agents.errors import NotHostedError
from hub.agents.run import begin_run, owns
from hub.agents.signatures import Described, Json
from hub.workflows import Context, Workflow, current_context
from hub.workflows.steps import current_step

if TYPE_CHECKING:
    from hub.agents.agent import DurableAgent

Method = Callable[..., Coroutine[Any, Any, Any]]
RUN_METHOD: Final = "run"


class DurableMethod:
    """Stands in the class in the place of the method; `DurableAgent` puts it there."""

    def __init__(self, fn: Method, name: str, owner: str) -> None:
        self.fn = fn
        self.name = name
        self.described = Described(fn, is_method=True, what=f"durable method {owner}.{name}")
        functools.update_wrapper(cast("Callable[..., Any]", self), fn)

    def __get__(self, instance: "DurableAgent | None", owner: type) -> Any:
        return self if instance is None else BoundMethod(self, instance)

    @property
    def definition(self) -> Json:
        """The method as `tools/list` would have it."""
        described = self.described
        definition: Json = {"name": self.name, "inputSchema": described.input_schema}
        if described.docstring.text:
            definition["description"] = described.docstring.text
        if described.output_schema is not None:
            definition["outputSchema"] = described.output_schema
        return definition

    def build_workflow(self, agent: "DurableAgent") -> Workflow[..., Any]:
        """The method of one agent as a durable function."""
        fn = self.fn

        @functools.wraps(fn)
        async def entry(ctx: Context, *args: Any, **kwargs: Any) -> Any:
            begin_run(agent, ctx)
            return await fn(agent, *args, **kwargs)

        return Workflow(cast("Any", entry), name=f"{agent.name}.{self.name}")


class BoundMethod:
    """A durable method of one agent."""

    def __init__(self, method: DurableMethod, agent: "DurableAgent") -> None:
        self.method = method
        self.agent = agent

    @property
    def workflow(self) -> Workflow[..., Any]:
        """What a run of it is a run of."""
        return self.agent.workflows[self.method.name]

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Call it: a part of the run in a run of this agent, a child run in another's, a run of its own elsewhere."""
        context = current_context()
        if context is None:
            return self._outside(args, kwargs)
        if owns(self.agent, context):
            return self.method.fn(self.agent, *args, **kwargs)
        if self.agent.host is None:
            raise NotHostedError(
                f"{self.agent.name}.{self.method.name} was called in a run, but no open runner has {self.agent.name}: "
                "add it to the runner's `agents`"
            )
        return _child(context, self.workflow, args, kwargs)

    async def _outside(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        what = f"{self.agent.name}.{self.method.name}"
        if current_step() is not None:
            raise NotHostedError(
                f"{what} was called in a step, which a run of its own would not survive: call it from a durable method"
            )
        host = self.agent.host
        if host is None:
            raise NotHostedError(
                f"{what} was called outside of a run, and {self.agent.name} belongs to no open runner: open one with "
                "`async with AgentRunner(agent=...)`, or call it from a durable method"
            )
        workflow = self.workflow
        return workflow.signature.load_result(await host.run(workflow, workflow.signature.dump(args, kwargs)))


async def _child(context: Context, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return await context.child(workflow, *args, **kwargs)


def durable_methods(owner: type) -> dict[str, DurableMethod]:
    """The durable methods of a class, the inherited ones too, by name."""
    found = ((name, inspect.getattr_static(owner, name)) for name in dir(owner))
    return {name: method for name, method in found if isinstance(method, DurableMethod)}
