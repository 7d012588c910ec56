"""JSON Schemas from type hints, and values from JSON: for functions, in environments that may hold nothing else."""

import dataclasses
import datetime as dt
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, cast

Json = dict[str, Any]
Read = Callable[[Any], Any]

_SIMPLE: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
    inspect.Parameter.empty: {},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
}
_READERS: dict[Any, Read] = {
    int: int,
    float: float,
    dt.datetime: dt.datetime.fromisoformat,
    dt.date: dt.date.fromisoformat,
}


def _same(value: Any) -> Any:
    return value


class Hints:
    """Schemas of several hints, with one set of definitions."""

    def __init__(self) -> None:
        self.definitions: Json = {}

    def read(self, hint: Any) -> tuple[Json, Read]:
        """Give a hint's schema, and what makes its value of the JSON.

        Raises:
            TypeError: no JSON stands for values of this type.
        """
        if hint in _SIMPLE:
            return dict(_SIMPLE[hint]), _READERS.get(hint, _same)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return self._annotated(arguments)
        if origin is typing.Literal:
            return {"enum": list(arguments)}, _same
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        plain: Any = origin or hint
        if not inspect.isclass(plain):
            raise TypeError(f"no JSON Schema for {hint!r}")
        if issubclass(plain, enum.Enum):
            return {"enum": [member.value for member in plain]}, plain
        if hasattr(plain, "model_json_schema"):
            return self._model(plain), cast("Any", plain).model_validate
        if dataclasses.is_dataclass(plain):
            return self._dataclass(plain)
        if hasattr(plain, "__required_keys__"):  # typing's, or that of typing_extensions
            return self._typed_dict(plain)
        return self._container(plain, arguments, hint)

    def _annotated(self, arguments: tuple[Any, ...]) -> tuple[Json, Read]:
        schema, read = self.read(arguments[0])
        for extra in arguments[1:]:
            text = (
                extra
                if isinstance(extra, str)
                else getattr(extra, "description", None) or getattr(extra, "documentation", None)
            )
            if isinstance(text, str):
                schema = {**schema, "description": text}
        return schema, read

    def _union(self, arguments: tuple[Any, ...]) -> tuple[Json, Read]:
        variants = [self.read(argument) for argument in arguments]
        if all(read is _same for _, read in variants):
            return {"anyOf": [schema for schema, _ in variants]}, _same
        solid = [read for argument, (_, read) in zip(arguments, variants, strict=True) if argument is not type(None)]

        def choose(value: Any) -> Any:
            if value is None:
                return None
            for read in solid:
                try:
                    return read(value)
                except (TypeError, ValueError, KeyError):
                    continue
            raise TypeError("fits no variant")

        return {"anyOf": [schema for schema, _ in variants]}, choose

    def _model(self, model: Any) -> Json:
        if model.__name__ in self.definitions:
            return {"$ref": f"#/$defs/{model.__name__}"}
        schema: Json = model.model_json_schema()
        self.definitions.update(schema.pop("$defs", {}))
        self.definitions[model.__name__] = schema
        return {"$ref": f"#/$defs/{model.__name__}"}

    def _dataclass(self, model: Any) -> tuple[Json, Read]:
        hints = typing.get_type_hints(model, include_extras=True)
        fields = {field.name: field for field in dataclasses.fields(model) if field.init}
        required = [
            name
            for name, field in fields.items()
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        schema, readers = self._object(model.__name__, {name: hints[name] for name in fields}, required)
        return schema, lambda value: model(**{name: readers[name](item) for name, item in value.items()})

    def _typed_dict(self, model: Any) -> tuple[Json, Read]:
        hints = {
            name: typing.get_args(hint)[0] if typing.get_origin(hint) is not None and "Required" in str(hint) else hint
            for name, hint in typing.get_type_hints(model, include_extras=True).items()
        }
        schema, readers = self._object(model.__name__, hints, sorted(model.__required_keys__))
        return schema, lambda value: {name: readers[name](item) for name, item in value.items()}

    def _object(self, name: str, hints: Mapping[str, Any], required: Sequence[str]) -> tuple[Json, dict[str, Read]]:
        parts = {key: self.read(hint) for key, hint in hints.items()}
        self.definitions[name] = {
            "type": "object",
            "title": name,
            "properties": {key: schema for key, (schema, _) in parts.items()},
            "required": list(required),
            "additionalProperties": False,
        }
        return {"$ref": f"#/$defs/{name}"}, {key: read for key, (_, read) in parts.items()}

    def _container(self, plain: Any, arguments: tuple[Any, ...], hint: Any) -> tuple[Json, Read]:
        if issubclass(plain, tuple) and arguments and arguments[-1] is not Ellipsis:
            parts = [self.read(argument) for argument in arguments]
            schema: Json = {"type": "array", "prefixItems": [part for part, _ in parts]}
            schema |= {"minItems": len(parts), "maxItems": len(parts)}
            return schema, lambda value: tuple(read(item) for (_, read), item in zip(parts, value, strict=True))
        if issubclass(plain, (list, tuple, set, frozenset)) or plain in (Sequence, Set):
            item, read = self.read(arguments[0] if arguments else Any)
            build: Any = plain if plain in (list, tuple, set, frozenset) else list
            return {"type": "array", "items": item}, lambda value: build(read(one) for one in value)
        if issubclass(plain, dict) or plain is Mapping:
            item, read = self.read(arguments[1] if len(arguments) == 2 else Any)
            return {"type": "object", "additionalProperties": item}, lambda value: {
                key: read(one) for key, one in value.items()
            }
        raise TypeError(f"no JSON Schema for {hint!r}")
