"""How arguments and results become JSON and come back: pydantic at the edge, nothing in between."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast, get_type_hints

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from hub.errors import InvalidInputError
from hub.workflows.errors import PayloadTooLargeError, UnserialisableError

DEFAULT_MAX_PAYLOAD_BYTES: Final = 2 * 2**20
"""Largest argument list or result; with a history of some steps it stays below Dapr's usual 4 MiB a message."""

_PLAIN = (type(None), bool, int, float, str)
_ANY: Final[tuple[object, ...]] = (Any, inspect.Parameter.empty, object)


def to_json_value(value: object, whose: str) -> Any:
    """The value as plain JSON.

    Raises:
        UnserialisableError: it holds something that JSON cannot say.
    """
    if type(value) in _PLAIN:
        return value
    try:
        return to_jsonable_python(value, by_alias=True)
    except (PydanticSerializationError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UnserialisableError(
            f"{whose} is a {type_name(value)} that cannot be written as JSON ({_first_line(error)}): "
            "hand over plain data, a pydantic model or a dataclass, and bytes as base64 text"
        ) from error


def to_json_text(value: object, whose: str, limit_bytes: int) -> str:
    """A JSON value as text, no longer than a history may hold.

    Raises:
        PayloadTooLargeError: it is too long.
    """
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > limit_bytes:
        raise PayloadTooLargeError(
            f"{whose} is a {type_name(value)} of {len(text):,} bytes as JSON; the limit is {limit_bytes:,}: "
            "keep it elsewhere and hand over a reference"
        )
    return text


def type_name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def adapter_of(annotation: object) -> TypeAdapter[Any] | None:
    """What checks and builds values of this type, or None: anything goes.

    Raises:
        InvalidInputError: the type has no meaning as JSON.
    """
    if any(annotation is each for each in _ANY):
        return None
    if annotation is None:
        annotation = type(None)
    try:
        return TypeAdapter[Any](cast("Any", annotation))
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise InvalidInputError(
            f"{annotation!r} has no form as JSON: annotate with plain types, pydantic models or dataclasses"
        ) from error


class Signature:
    """The parameters and the result of one function, as JSON sees them.

    Args:
        name: what messages call the function.
        leading: parameters at the front that are not data (`self` of a bound method is none of the signature).
    """

    def __init__(self, fn: Callable[..., object], *, name: str, leading: int = 0) -> None:
        self._name = name
        try:
            signature = inspect.signature(fn)
        except (TypeError, ValueError):
            signature = inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])
        parameters = list(signature.parameters.values())[leading:]
        self._signature = signature.replace(parameters=parameters)
        hints = _hints(fn)
        self._adapters = {p.name: a for p in parameters if (a := _adapter(hints.get(p.name, p.annotation))) is not None}
        self._result = _adapter(hints.get("return", signature.return_annotation))

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        return self._signature.parameters

    def dump(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, Any]:
        """Arguments as a JSON object, by the parameters' names; defaults are left to the function.

        Raises:
            InvalidInputError: they do not fit the parameters.
            UnserialisableError: one of them is no JSON.
        """
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidInputError(f"{self._name}: {error}; it takes {self._signature}") from error
        return {
            name: to_json_value(value, f"argument `{name}` of {self._name}") for name, value in bound.arguments.items()
        }

    def load(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as the function wants them.

        Raises:
            InvalidInputError: they do not fit; the message names the argument.
        """
        bound = inspect.BoundArguments(self._signature, cast("Any", dict[str, Any]()))
        for name, parameter in self._signature.parameters.items():
            if name in arguments:
                bound.arguments[name] = self._load_one(name, parameter, arguments[name])
            elif parameter.default is inspect.Parameter.empty and parameter.kind not in (
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.VAR_KEYWORD,
            ):
                raise InvalidInputError(f"{self._name}: argument `{name}` is missing; it takes {self._signature}")
        unknown = [name for name in arguments if name not in self._signature.parameters]
        if unknown:
            raise InvalidInputError(f"{self._name}: no parameter `{unknown[0]}`; it takes {self._signature}")
        return bound.args, bound.kwargs

    def _load_one(self, name: str, parameter: inspect.Parameter, value: Any) -> Any:
        adapter = self._adapters.get(name)
        if adapter is None:
            return value
        try:
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                return tuple(adapter.validate_python(item) for item in value)
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                return {key: adapter.validate_python(item) for key, item in value.items()}
            return adapter.validate_python(value)
        except ValidationError as error:
            raise InvalidInputError(f"{self._name}: argument `{name}`: {_first_problem(error)}") from error

    def dump_result(self, value: object) -> Any:
        """The function's result as plain JSON.

        Raises:
            UnserialisableError: it is no JSON, or not what the annotation promises.
        """
        plain = to_json_value(value, f"the result of {self._name}")
        if self._result is not None:
            try:
                self._result.validate_python(plain)
            except ValidationError as error:
                raise UnserialisableError(
                    f"the result of {self._name} is a {type_name(value)} that does not come back from JSON "
                    f"as its annotation says: {_first_problem(error)}"
                ) from error
        return plain

    def load_result(self, value: Any) -> Any:
        """The result as the annotation promises it; it was checked when it was written."""
        return value if self._result is None else self._result.validate_python(value)


def _hints(fn: Callable[..., object]) -> dict[str, Any]:
    target = fn if inspect.isfunction(fn) or inspect.ismethod(fn) else getattr(fn, "__call__", fn)  # noqa: B004
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _adapter(annotation: object) -> TypeAdapter[Any] | None:
    return None if isinstance(annotation, str) else adapter_of(annotation)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
