"""What a function tells of itself: JSON schemas from its hints, descriptions from its docstring."""

import contextlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from hub.errors import InvalidInputError
from hub.workflows.values import Signature

Json = dict[str, Any]

_IMPORT = "define or import it at the top of the module, outside of `if TYPE_CHECKING`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """The parts of a docstring that a model reads."""

    text: str
    parameters: Mapping[str, str]


class Described:
    """A function as models and MCP clients see it.

    Args:
        fn: the plain function.
        is_method: its first parameter is `self`, which is none of the arguments.
        what: what messages call it.
    """

    def __init__(self, fn: Callable[..., Any], *, is_method: bool, what: str) -> None:
        self.fn = fn
        self.what = what
        self._leading = int(is_method)

    def check_early(self) -> None:
        """Refuse at the definition what is wrong for certain; a type that is named before it is there may still come.

        Raises:
            InvalidInputError: a parameter without a type hint, one that cannot be named, or of no form as JSON.
        """
        self._check_parameters()
        with contextlib.suppress(UnknownTypeError):
            self._check_types()

    def check(self) -> None:
        """Refuse what no schema can be made of.

        Raises:
            InvalidInputError: a parameter without a type hint, one that cannot be named, a type that is not there, or
                one of no form as JSON.
        """
        self._check_parameters()
        self._check_types()

    def _check_parameters(self) -> None:
        for parameter in self._parameters:
            if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                raise InvalidInputError(f"{self.what}: `*{parameter.name}` cannot be described; name each parameter")
            if parameter.annotation is inspect.Parameter.empty:
                raise InvalidInputError(
                    f"{self.what}: parameter `{parameter.name}` has no type hint; write one, as in "
                    f"`{parameter.name}: str`"
                )

    def _check_types(self) -> None:
        _ = self._types_schema
        try:
            _ = self.signature
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.what}: its result: {error}") from error

    @property
    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.fn).parameters.values())[self._leading :]

    @cached_property
    def signature(self) -> Signature:
        """How arguments and results become JSON and come back."""
        return Signature(self.fn, name=self.what, leading=self._leading)

    @cached_property
    def docstring(self) -> Docstring:
        from griffe import Docstring as Parsed
        from griffe import DocstringSectionKind

        raw = inspect.getdoc(self.fn)
        if not raw:
            return Docstring(text="", parameters={})
        texts: list[str] = []
        parameters: dict[str, str] = {}
        for section in Parsed(raw, parser="google").parse(warnings=False):
            if section.kind is DocstringSectionKind.text:
                texts.append(cast("str", section.value).strip())
            elif section.kind is DocstringSectionKind.parameters:
                parameters |= {each.name: each.description for each in section.value}
        return Docstring(text="\n\n".join(texts), parameters=parameters)

    @cached_property
    def input_schema(self) -> Json:
        """JSON schema of the arguments.

        Raises:
            InvalidInputError: a type has no form as JSON.
        """
        properties = {name: dict(each) for name, each in self._types_schema["properties"].items()}
        for name, said in self.docstring.parameters.items():
            if name in properties:
                properties[name]["description"] = said
        return {**self._types_schema, "properties": properties}

    @cached_property
    def _types_schema(self) -> Json:
        """The schema without what the docstring says, whose parser takes its time to load."""
        hints = self._hints
        fields: dict[str, Any] = {}
        for parameter in self._parameters:
            default: Any = ... if parameter.default is inspect.Parameter.empty else parameter.default
            # The alias keeps names that pydantic would take for its own (`schema`, `_x`) as they are.
            fields[f"p_{parameter.name}"] = (
                hints.get(parameter.name, Any),
                Field(default, alias=parameter.name, title=None),
            )
        try:
            schema = create_model("Arguments", **fields).model_json_schema(by_alias=True)
        except (PydanticSchemaGenerationError, PydanticUserError, NameError) as error:
            raise self._refusal(error) from error
        schema.pop("title", None)
        schema.setdefault("properties", {})
        for each in schema["properties"].values():
            each.pop("title", None)
        schema["additionalProperties"] = False
        return schema

    def _refusal(self, error: Exception) -> InvalidInputError:
        """Which parameter's type no schema can be made of, and why."""
        for parameter in self._parameters:
            hint: Any = self._hints.get(parameter.name, Any)
            try:
                TypeAdapter[Any](hint).json_schema()
            except (PydanticSchemaGenerationError, PydanticUserError, NameError) as problem:
                if _is_unknown_type(problem):
                    return UnknownTypeError(
                        f"{self.what}: parameter `{parameter.name}` is made of a type that is not there "
                        f"({str(problem).partition(chr(10))[0]}); {_IMPORT}"
                    )
                return InvalidInputError(
                    f"{self.what}: parameter `{parameter.name}` has the type {_name_of(hint)}, which has no form as "
                    "JSON; use plain types, pydantic models or dataclasses"
                )
        return InvalidInputError(
            f"{self.what}: no schema can be made of its parameters ({str(error).partition(chr(10))[0]}); use plain "
            "types, pydantic models or dataclasses"
        )

    @cached_property
    def output_schema(self) -> Json | None:
        """JSON schema of the result, where it is an object; None otherwise."""
        annotation = self._hints.get("return")
        if annotation is None or annotation is Any:
            return None
        try:
            schema = TypeAdapter[Any](annotation).json_schema(mode="serialization")
        except (PydanticSchemaGenerationError, PydanticUserError):
            return None
        return schema if schema.get("type") == "object" else None

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self.fn, include_extras=True)
        except (NameError, TypeError, AttributeError, SyntaxError) as error:
            raise UnknownTypeError(
                f"{self.what}: the type hint of {self._unresolved()} cannot be resolved ({error}); {_IMPORT}"
            ) from error

    def _unresolved(self) -> str:
        """Whose hint it is, as messages call it."""
        where = getattr(inspect.unwrap(self.fn), "__globals__", {})
        for name, hint in inspect.get_annotations(self.fn).items():
            try:
                get_type_hints(_Annotated(name, hint), globalns=where)
            except (NameError, TypeError, AttributeError, SyntaxError):
                return "its result" if name == "return" else f"parameter `{name}`"
        return "a parameter"


class _Annotated:
    """One hint alone, as `get_type_hints` takes it."""

    def __init__(self, name: str, hint: object) -> None:
        self.__annotations__ = {name: hint}


class UnknownTypeError(InvalidInputError):
    """A hint names a type that is not there, or not yet."""


def _is_unknown_type(problem: Exception) -> bool:
    return isinstance(problem, NameError) or (
        isinstance(problem, PydanticUserError) and problem.code == "class-not-fully-defined"
    )


def _name_of(hint: object) -> str:
    return hint.__qualname__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)
