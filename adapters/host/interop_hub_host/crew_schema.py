"""What a crew takes and gives, read off the crew: placeholders in, the last task's model out."""

import re
from collections.abc import Iterator
from typing import Any, Final

Json = dict[str, Any]

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_\-]*)}")
"""What crewai itself interpolates."""

USAGE_KEYS: Final = (
    "total_tokens",
    "prompt_tokens",
    "cached_prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cache_creation_tokens",
    "successful_requests",
)

_TYPES: Final = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def placeholders(crew: Any) -> list[str]:
    """Name what the crew's texts leave open, in order of appearance."""
    found: dict[str, None] = {}
    for text in _texts(crew):
        found.update(dict.fromkeys(_PLACEHOLDER.findall(text)))
    return list(found)


def _texts(crew: Any) -> Iterator[str]:
    agents = [*crew.agents, *(task.agent for task in crew.tasks if task.agent), crew.manager_agent]
    for task in crew.tasks:
        yield from _originals(task, ("description", "expected_output", "output_file"))
    for agent in agents:
        if agent is not None:
            yield from _originals(agent, ("role", "goal", "backstory"))


def _originals(owner: Any, names: tuple[str, ...]) -> Iterator[str]:
    """Read texts as they were before crewai filled them in."""
    for name in names:
        text = getattr(owner, f"_original_{name}", None) or getattr(owner, name, None)
        if isinstance(text, str):
            yield text


def input_schema(crew: Any, defaults: Json, overrides: Json) -> Json:
    """Make the schema of the arguments: strings, but for what a default or the operator says."""
    properties: Json = {}
    for name in dict.fromkeys((*placeholders(crew), *defaults, *overrides)):
        schema: Json = {"type": "string"}
        if name in defaults:
            value = defaults[name]
            kind = next((kind for known, kind in _TYPES if isinstance(value, known)), None)
            schema = {"type": kind, "default": value} if kind else {"default": value}
        properties[name] = overrides.get(name, schema)
    hooked = bool(crew.before_kickoff_callbacks)
    return {
        "type": "object",
        "properties": properties,
        # a hook may fill in anything, so nothing is known to be needed
        "required": [] if hooked else [name for name in properties if name not in defaults],
        "additionalProperties": hooked,
    }


def output_schema(crew: Any) -> Json:
    """Make the schema of the result."""
    result: Json = {"type": "string"}
    definitions: Json = {}
    model = crew.tasks[-1].output_pydantic or crew.tasks[-1].output_json if crew.tasks else None
    if model is not None:
        result = model.model_json_schema(by_alias=False, mode="serialization")
        definitions = result.pop("$defs", {})
    if hasattr(crew.tasks[-1], "condition"):
        result = {"anyOf": [result, {}]}
    if crew.after_kickoff_callbacks:
        result = {"description": "What the crew's own hook makes of the last task's output"}
    text = {"type": ["string", "null"]}
    task = {"type": "object", "properties": {"name": text, "agent": text, "output": text}}
    schema: Json = {
        "type": "object",
        "properties": {
            "result": result,
            "tasks": {"type": "array", "items": task},
            "usage": {"type": "object", "properties": {key: {"type": "integer"} for key in USAGE_KEYS}},
            "tool_failures": {"type": "array"},
        },
        "required": ["result", "tasks", "usage", "tool_failures"],
    }
    return {**schema, "$defs": definitions} if definitions else schema
