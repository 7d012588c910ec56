"""From the schemas of OpenAPI to JSON Schema 2020-12, each with the definitions that it needs."""

import hashlib
import re
from typing import Any, Final, Literal, cast

from adapters.openapi.document import Document
from hub.catalog.provider import Json

Direction = Literal["request", "response"]

_PLAIN: Final = frozenset({"xml", "externalDocs", "discriminator", "example"})
_MAPS: Final = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE: Final = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties"}
)


class Schemas:
    """The schemas of one tool; `definitions` holds what they refer to.

    In a request a property that the service alone writes (`readOnly`) is left out, in an answer one that it never shows
    (`writeOnly`) is not required.

    Source: OpenAPI 3.0.4, Schema Object; OpenAPI 3.1.1, Schema Object, which is JSON Schema 2020-12.
    """

    def __init__(self, document: Document, direction: Direction) -> None:
        self._document = document
        self._direction: Direction = direction
        self._names: dict[str, str] = {}
        self.definitions: Json = {}

    def convert(self, schema: object) -> Any:
        """One schema, its references pointing to `#/$defs`."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            return {}
        given = cast("Json", schema)
        pointer: object = given.get("$ref")
        if isinstance(pointer, str):
            return self._reference(pointer, given)
        made: Json = {}
        for key, value in given.items():
            if key in _PLAIN or key.startswith("x-"):
                continue
            if key in _MAPS and isinstance(value, dict):
                made[key] = {name: self.convert(inner) for name, inner in cast("Json", value).items()}
            elif key in _LISTS and isinstance(value, list):
                made[key] = [self.convert(inner) for inner in cast("list[object]", value)]
            elif key in _SINGLE:
                made[key] = self.convert(value)
            else:
                made[key] = value
        if self._document.is_3_0:
            _modernise(made)
        self._direct(given, made)
        return made

    def _reference(self, pointer: str, given: Json) -> Json:
        name = self._names.get(pointer)
        if name is None:
            name = self._names[pointer] = self._name(pointer)
            self.definitions[name] = {}
            self.definitions[name] = self.convert(self._document.at(pointer))
        made: Json = {"$ref": f"#/$defs/{name}"}
        if not self._document.is_3_0:
            made.update({key: self.convert({key: value})[key] for key, value in given.items() if _is_beside(key)})
        return made

    def _name(self, pointer: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", pointer.rpartition("/")[2]) or "schema"
        if plain not in self.definitions:
            return plain
        return f"{plain}_{hashlib.sha256(pointer.encode()).hexdigest()[:6]}"

    def _direct(self, given: Json, made: Json) -> None:
        properties: object = given.get("properties")
        if not isinstance(properties, dict):
            return
        mark = "readOnly" if self._direction == "request" else "writeOnly"
        marked = {
            name for name, inner in cast("Json", properties).items() if self._document.resolved(inner).get(mark) is True
        }
        if self._direction == "request":
            made["properties"] = {name: inner for name, inner in made["properties"].items() if name not in marked}
        required: object = made.get("required")
        if marked and isinstance(required, list):
            rest = [name for name in cast("list[str]", required) if name not in marked]
            made["required"] = rest


def _is_beside(key: str) -> bool:
    return key != "$ref" and key not in _PLAIN and not key.startswith("x-")


def _modernise(made: Json) -> None:
    """From the schema dialect of OpenAPI 3.0 to JSON Schema 2020-12, in place."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = made.get(exclusive)
        if isinstance(flag, bool):
            del made[exclusive]
            if flag and bound in made:
                made[exclusive] = made.pop(bound)
    if made.pop("nullable", False) is True:
        kind: object = made.get("type")
        if isinstance(kind, str):
            made["type"] = [kind, "null"]
        values: object = made.get("enum")
        if isinstance(values, list) and None not in values:
            made["enum"] = [*cast("list[object]", values), None]
        if "type" not in made and any(key in made for key in ("allOf", "anyOf", "oneOf")):
            inner = dict(made)
            made.clear()
            made["anyOf"] = [inner, {"type": "null"}]
    form: object = made.get("format")
    if made.get("type") == "string" and form in ("byte", "binary"):
        made["contentEncoding"] = "base64"
        del made["format"]
