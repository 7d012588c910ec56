"""What a function tells of itself: JSON schemas from its hints, descriptions from its docstring."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, get_type_hints

from pydantic import Field, TypeAdapter, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from hub.errors import InvalidInputError
from hub.workflows.values import Signature

Json = dict[str, Any]


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

    def check(self) -> None:
        """Refuse what no schema can be made of, at the moment of the definition.

        Raises:
            InvalidInputError: a parameter without a type hint, or one that cannot be named.
        """
        for parameter in self._parameters:
            if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                raise InvalidInputError(f"{self.what}: `*{parameter.name}` cannot be described; name each parameter")
            if parameter.annotation is inspect.Parameter.empty:
                raise InvalidInputError(
                    f"{self.what}: parameter `{parameter.name}` has no type hint; write one, as in "
                    f"`{parameter.name}: str`"
                )

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
        hints = self._hints
        fields: dict[str, Any] = {}
        for parameter in self._parameters:
            default: Any = ... if parameter.default is inspect.Parameter.empty else parameter.default
            said = self.docstring.parameters.get(parameter.name)
            # The alias keeps names that pydantic would take for its own (`schema`, `_x`) as they are.
            fields[f"p_{parameter.name}"] = (
                hints.get(parameter.name, Any),
                Field(default, alias=parameter.name, description=said, title=None),
            )
        try:
            schema = create_model("Arguments", **fields).model_json_schema(by_alias=True)
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            raise InvalidInputError(
                f"{self.what}: a parameter's type has no form as JSON; use plain types, pydantic models or dataclasses"
            ) from error
        schema.pop("title", None)
        schema.setdefault("properties", {})
        for each in schema["properties"].values():
            each.pop("title", None)
        schema["additionalProperties"] = False
        return schema

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
        except (NameError, TypeError) as error:
            raise InvalidInputError(f"{self.what}: a type hint cannot be resolved ({error})") from error
