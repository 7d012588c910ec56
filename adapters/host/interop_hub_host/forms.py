"""Questions as elicitation forms.

An elicitation's schema is a flat object of primitive properties, while a framework may ask for any JSON: what a form
cannot hold is asked for as JSON text and read back.

Source: MCP 2026-07-28, client/elicitation, requestedSchema.
"""

import json
from typing import Any, cast

from .failures import HostError
from .validation import find_problem

Json = dict[str, Any]

_PRIMITIVE = ("string", "number", "integer", "boolean")
_KEPT = frozenset(
    "type title description default enum enumNames oneOf minimum maximum minLength maxLength format const".split()  # noqa: SIM905 - reads as a list
)
FREE_TEXT: Json = {"type": "string"}


def _inline(schema: Json, root: Json) -> Json:
    """Resolve references and optional variants of one property."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        inner = cast("Json", root.get("$defs", {})).get(name, {})
        schema = {**inner, **{key: item for key, item in schema.items() if key != "$ref"}}
    variants = schema.get("anyOf")
    if isinstance(variants, list):
        solid = [variant for variant in cast("list[Json]", variants) if variant.get("type") != "null"]
        if len(solid) == 1:
            rest = {key: item for key, item in schema.items() if key != "anyOf" and item is not None}
            return _inline({**solid[0], **rest}, root)
    return schema


def _as_primitive(schema: Json, root: Json) -> Json | None:
    flat = _inline(schema, root)
    if "type" not in flat and isinstance(flat.get("enum"), list):
        choices = cast("list[Any]", flat["enum"])
        if choices and all(isinstance(choice, str) for choice in choices):
            flat = {**flat, "type": "string"}
    if flat.get("type") not in _PRIMITIVE:
        return None
    kept = {key: item for key, item in flat.items() if key in _KEPT}
    if kept.get("default", "") is None:
        del kept["default"]
    return kept


def _is_optional(schema: Json) -> bool:
    return any(variant.get("type") == "null" for variant in schema.get("anyOf", ()))


class Form:
    """One question's schema as a form, and the way back from the filled form to the value."""

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._mode = "object"
        self.requested: Json = self._flat_object() or self._single() or self._text()

    def _flat_object(self) -> Json | None:
        root = self._schema
        target = root
        if "$ref" in root:
            target = _inline({"$ref": root["$ref"]}, root)
        properties = target.get("properties")
        if target.get("type") != "object" or not isinstance(properties, dict):
            return None
        flat: Json = {}
        required = list(target.get("required", ()))
        for key, schema in cast("Json", properties).items():
            form = _as_primitive(schema, root)
            if form is None:
                return None
            flat[key] = form
            if key in required and _is_optional(schema):
                required.remove(key)
        return {"type": "object", "properties": flat, "required": required}

    def _single(self) -> Json | None:
        form = _as_primitive(self._schema, self._schema)
        if form is None:
            return None
        self._mode = "value"
        return {"type": "object", "properties": {"value": form}, "required": ["value"]}

    def _text(self) -> Json:
        self._mode = "json"
        wanted = json.dumps(self._schema, ensure_ascii=False)
        about = "JSON" if len(wanted) > 2000 else f"JSON that fits {wanted}"
        return {
            "type": "object",
            "properties": {"json": {"type": "string", "description": about}},
            "required": ["json"],
        }

    def read(self, content: Json) -> Any:
        """Give the value that the framework asked for.

        Raises:
            HostError: the filled form does not fit; the question stays open.
        """
        problem = find_problem(content, self.requested)
        if problem is not None:
            raise HostError("invalid_input", f"the answer does not fit: {problem}")
        value: Any = content
        if self._mode == "value":
            value = content["value"]
        elif self._mode == "json":
            try:
                value = json.loads(content["json"])
            except ValueError:
                raise HostError("invalid_input", "the answer does not fit: $.json: expected JSON") from None
        problem = find_problem(self._with_nulls(value), self._schema)
        if problem is not None:
            raise HostError("invalid_input", f"the answer does not fit: {problem}")
        return self._with_nulls(value)

    def _with_nulls(self, value: Any) -> Any:
        """Fill in null for what is required and may be null: a form has no way to say it."""
        if self._mode != "object":
            return value
        target = _inline({"$ref": self._schema["$ref"]}, self._schema) if "$ref" in self._schema else self._schema
        filled = dict(cast("Json", value))
        for key in target.get("required", ()):
            if key not in filled and _is_optional(target["properties"][key]):
                filled[key] = None
        return filled
