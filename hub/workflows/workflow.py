"""Durable functions as values: a name, a version, a signature."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from hub.errors import InvalidInputError, UnknownNameError
from hub.workflows.steps import Steps
from hub.workflows.values import Signature

if TYPE_CHECKING:
    from hub.workflows.context import Context

P = ParamSpec("P")
T = TypeVar("T")


class Workflow(Generic[P, T]):
    """An async function whose steps, waits and children survive the process that runs it."""

    def __init__(
        self,
        fn: "Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]",
        *,
        name: str,
        version: str | None = None,
        latest: bool = True,
    ) -> None:
        if not inspect.iscoroutinefunction(fn):
            raise InvalidInputError(f"workflow {name!r}: expected an `async def` function")
        self.fn = fn
        self.name = name
        self.version = version
        self.latest = latest
        """Whether new runs take this version."""
        functools.update_wrapper(cast("Callable[..., Any]", self), fn)

    def __repr__(self) -> str:
        return f"<workflow {self.label}>"

    @property
    def label(self) -> str:
        """The name, with the version where there is one."""
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @functools.cached_property
    def signature(self) -> Signature:
        return Signature(self.fn, name=f"workflow {self.label}", leading=1)

    def __call__(self, ctx: "Context", *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Run it as a part of the run that `ctx` belongs to, with no run of its own."""
        return self.fn(ctx, *args, **kwargs)


@overload
def workflow(fn: "Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]", /) -> Workflow[P, T]: ...
@overload
def workflow(
    *, name: str | None = None, version: str | None = None, latest: bool = True
) -> "Callable[[Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]], Workflow[P, T]]": ...
def workflow(
    fn: "Callable[Concatenate[Context, P], Coroutine[Any, Any, T]] | None" = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    latest: bool = True,
) -> "Workflow[P, T] | Callable[[Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]], Workflow[P, T]]":
    """Make an async function durable; its first parameter is the run's context.

    Args:
        name: what Dapr and histories know it as; the function's own name unless given.
        version: which of several versions this is; runs finish on the version they began with.
        latest: whether new runs take this version.
    """

    def declare(function: "Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]") -> Workflow[P, T]:
        return Workflow(function, name=name or function.__name__, version=version, latest=latest)

    return declare if fn is None else declare(fn)


class Functions:
    """What one worker can run: workflows by name and version, steps by name."""

    def __init__(self, workflows: Iterable[Workflow[..., Any]] = (), steps: Iterable[Callable[..., Any]] = ()) -> None:
        self.steps = Steps()
        self._workflows: dict[tuple[str, str | None], Workflow[..., Any]] = {}
        for each in workflows:
            self.add(each)
        for each in steps:
            self.steps.add(each)

    def add(self, added: Workflow[..., Any]) -> None:
        """Make one more workflow known.

        Raises:
            InvalidInputError: another one has that name and version.
        """
        known = self._workflows.get((added.name, added.version))
        if known is not None and known.fn is not added.fn:
            raise InvalidInputError(f"two workflows are named {added.label!r}: {known.fn!r} and {added.fn!r}")
        versions = [each for each in self._workflows.values() if each.name == added.name and each is not known]
        if any((each.version is None) != (added.version is None) for each in versions):
            raise InvalidInputError(f"workflow {added.name!r} is there with and without a version: give each a version")
        if added.latest and any(each.latest for each in versions):
            raise InvalidInputError(f"workflow {added.name!r} has two latest versions: say `latest=False` of one")
        self._workflows[added.name, added.version] = added

    def discard(self, name: str, version: str | None) -> None:
        """Forget a workflow, if it is known."""
        self._workflows.pop((name, version), None)

    def named(self, name: str) -> Workflow[..., Any]:
        """The workflow that new runs of this name take.

        Raises:
            UnknownNameError: there is none.
        """
        for each in self._workflows.values():
            if each.name == name and each.latest:
                return each
        raise UnknownNameError(f"this worker has no workflow {name!r}")

    def __iter__(self) -> Iterator[Workflow[..., Any]]:
        return iter(tuple(self._workflows.values()))
