"""The JSON Schema of hub.yaml, for editors."""

import json
from typing import Any, cast

from hub.config.sections import adapter_sections, entry_model
from hub.config.settings import SERVER_NAME_PATTERN, HubConfig

SCHEMA_NAME = "hub.schema.json"
SCHEMA_COMMENT = f"# yaml-language-server: $schema=./{SCHEMA_NAME}"
"""First line of a hub.yaml: editors then find the schema beside it, without a network."""

_REFERENCE = {"type": "string", "pattern": r"\$\{", "description": "A reference: `${NAME}` or `${NAME:-default}`."}
_TYPED = ("integer", "number", "boolean")


def json_schema() -> dict[str, Any]:
    """The schema of the whole file, the sections of installed adapters included.

    Source: JSON Schema 2020-12.
    """
    schema = HubConfig.model_json_schema()
    schema["properties"]["servers"]["propertyNames"] = {"pattern": SERVER_NAME_PATTERN}
    for name, model in adapter_sections().items():
        section = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        inner = cast("dict[str, Any]", section.pop("$defs", {}))
        schema["$defs"].update({f"{name}.{key}": value for key, value in inner.items()})
        if entry_model(model) is not None:
            section["propertyNames"] = {"pattern": SERVER_NAME_PATTERN}
        schema["properties"][name] = section
    described = cast("dict[str, Any]", _with_references(schema))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "hub.yaml",
        "description": "Configuration of interop-hub.",
    }


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _with_references(node: object) -> object:
    """The same schema, but a number or boolean may also be written as a reference; titles made by rule are left out."""
    if isinstance(node, list):
        return [_with_references(item) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    plain = cast("dict[str, object]", node)
    made = {
        key: _with_references(value) for key, value in plain.items() if not (key == "title" and isinstance(value, str))
    }
    if made.get("type") in _TYPED:
        kept = {key: made.pop(key) for key in ("description", "default") if key in made}
        return {"anyOf": [made, _REFERENCE], **kept}
    return made
