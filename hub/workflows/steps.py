"""Steps: the functions that do a run's work, found by name in whichever process a step lands."""

import contextlib
import functools
import importlib
import inspect
import time
from collections.abc import Callable, Generator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

import anyio
import anyio.to_thread

from hub.errors import CallTimeoutError, InvalidInputError, UnknownNameError
from hub.workflows.values import Signature

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """What a step may know of itself while it runs."""

    run_id: str
    name: str
    key: str
    """Idempotency key: the same in each attempt of this step of this run, different from every other's."""
    attempt: int
    """1 for the first; larger after a retry. A step that is run again because a process died keeps its attempt."""
    deadline: float | None
    """When the attempt's time is over, in `time.monotonic()`; None: it has no timeout."""


_current: ContextVar[StepInfo | None] = ContextVar("hub_step", default=None)


def current_step() -> StepInfo | None:
    """The step that this code runs in, or None outside of one."""
    return _current.get()


@contextlib.contextmanager
def running(info: StepInfo) -> Generator[None]:
    """Make `info` what `current_step` tells."""
    token = _current.set(info)
    try:
        yield
    finally:
        _current.reset(token)


class Step(Generic[P, R]):
    """A function with the name under which histories know it. Called directly, it is just the function."""

    def __init__(self, fn: Callable[P, R], name: str) -> None:
        if not callable(fn):
            raise InvalidInputError(f"step {name!r}: expected a function")
        self.fn = fn
        self.name = name
        functools.update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    @functools.cached_property
    def signature(self) -> Signature:
        return Signature(self.fn, name=f"step {self.name}")

    async def run(self, arguments: dict[str, Any], info: StepInfo, limiter: anyio.CapacityLimiter) -> Any:
        """Run it once: an async function on the event loop, any other in a thread.

        Args:
            arguments: JSON object by the parameters' names.
            limiter: bounds the threads.

        Returns:
            The result as plain JSON.

        Raises:
            CallTimeoutError: `info.deadline` passed.
        """
        args, kwargs = self.signature.load(arguments)
        delay = None if info.deadline is None else max(0.0, info.deadline - time.monotonic())
        with running(info):
            try:
                with anyio.fail_after(delay):
                    if _is_async(self.fn):
                        result = await cast("Any", self.fn)(*args, **kwargs)
                    else:
                        call = functools.partial(cast("Callable[..., Any]", self.fn), *args, **kwargs)
                        result = await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=limiter)
                        if inspect.isawaitable(result):
                            result = await result
            except TimeoutError as error:
                if info.deadline is None or time.monotonic() < info.deadline:
                    raise
                raise CallTimeoutError(f"step {self.name} took longer than its timeout") from error
        return self.signature.dump_result(result)


@overload
def step(fn: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(*, name: str) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    fn: Callable[P, R] | None = None, /, *, name: str | None = None
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Give a function a name of its own in histories, so that it may move to another module later.

    Without it, a function at the top of a module is known as `package.module:function`.
    """

    def declare(function: Callable[P, R]) -> Step[P, R]:
        declared = Step(function, name or _import_path(function))
        known = _declared.get(declared.name)
        if known is not None and _origin(known.fn) != _origin(function):
            raise InvalidInputError(f"two steps are named {declared.name!r}: {known.fn!r} and {function!r}")
        _declared[declared.name] = cast("Step[..., Any]", declared)
        return declared

    return declare if fn is None else declare(fn)


_declared: dict[str, Step[..., Any]] = {}


class Steps:
    """The steps that a worker can run: those given to it, those declared with `@step`, and functions by import path."""

    def __init__(self) -> None:
        self._given: dict[str, Step[..., Any]] = {}
        self._names: dict[object, str] = {}
        self._imported: dict[str, Step[..., Any]] = {}

    def add(self, fn: Callable[..., Any], name: str | None = None) -> Step[..., Any]:
        """Make one more known; a bound method or a closure needs a name.

        Raises:
            InvalidInputError: the name is taken by another function, or missing.
        """
        inner = cast("Callable[..., Any]", fn.fn) if isinstance(fn, Step) else fn
        added: Step[..., Any] = Step(inner, name or (fn.name if isinstance(fn, Step) else _import_path(fn)))
        known = self._given.get(added.name)
        if known is not None and known.fn != added.fn:
            raise InvalidInputError(f"two steps are named {added.name!r}: {known.fn!r} and {added.fn!r}")
        self._given[added.name] = added
        self._names[added.fn] = added.name
        return added

    def discard(self, name: str) -> None:
        """Forget a step that was given, if it is known."""
        known = self._given.pop(name, None)
        if known is not None:
            self._names.pop(known.fn, None)

    def named(self, name: str) -> Step[..., Any]:
        """The step of this name.

        Raises:
            UnknownNameError: this process has none.
        """
        found = self._given.get(name) or _declared.get(name) or self._imported.get(name)
        if found is None:
            found = self._imported[name] = Step(_imported(name), name)
        return found

    def find(self, fn: Callable[..., Any] | str) -> Step[..., Any]:
        """The step that this function is, so that its name leads back to it in another process.

        Raises:
            InvalidInputError: nothing leads back to it.
        """
        if isinstance(fn, str):
            return self.named(fn)
        if isinstance(fn, Step):
            found = cast("Step[..., Any]", fn)
            if self._given.get(found.name) is None and _declared.get(found.name) is not found:
                raise InvalidInputError(f"step {found.name!r} is not one of this worker's: give it in `steps`")
            return found
        with contextlib.suppress(TypeError):
            name = self._names.get(fn)
            if name is not None:
                return self._given[name]
        return self.named(_import_path(fn))

    def __iter__(self) -> Iterator[Step[..., Any]]:
        return iter({**_declared, **self._given}.values())


def _import_path(fn: Callable[..., Any]) -> str:
    module, path = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if not module or not path or "<" in path or inspect.ismethod(fn):
        raise InvalidInputError(
            f"{fn!r} cannot be a step: after a restart nothing leads back to it. Use a function at the top of a "
            "module, or give it a name with `steps.add(fn, name=...)`"
        )
    return f"{module}:{path}"


def _imported(name: str) -> Callable[..., Any]:
    module, colon, path = name.partition(":")
    if colon:
        with contextlib.suppress(ImportError, AttributeError):
            found: Any = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
            if isinstance(found, Step):
                return cast("Callable[..., Any]", found.fn)
            if callable(found):
                return cast("Callable[..., Any]", found)
    raise UnknownNameError(f"this worker has no step {name!r}: give it in `steps`, or declare it with @step")


def _origin(fn: Callable[..., Any]) -> tuple[object, object]:
    return getattr(fn, "__module__", None), getattr(fn, "__qualname__", fn)


def _is_async(fn: object) -> bool:
    while isinstance(fn, functools.partial):
        fn = cast("functools.partial[Any]", fn).func
    return inspect.iscoroutinefunction(fn) or (
        not inspect.isroutine(fn) and inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004
    )
