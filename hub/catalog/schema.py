"""Input schemas: compiled once, on first use, without remote references and in bounded time."""

from collections.abc import Iterator
from typing import Any, cast

import jsonschema_rs

MAX_SCHEMA_NODES = 20_000
MAX_SCHEMA_DEPTH = 64
_MESSAGE_CHARS = 300
_MESSAGES = 5
_BACKTRACK_LIMIT = 100_000


class ArgumentSchema:
    """Checks the arguments of one tool against its `inputSchema`.

    Patterns run on an engine of linear time where they need no look-around, else with a bounded number of steps.
    A schema that can't be compiled checks nothing: `problem` says why, and the server judges for itself.

    Source: MCP 2026-07-28, server/tools (inputSchema); JSON Schema 2020-12.
    """

    __slots__ = ("_compiled", "_schema", "_validator", "problem")

    def __init__(self, schema: object) -> None:
        self._schema = schema
        self._compiled = False
        self._validator: jsonschema_rs.Validator | None = None
        self.problem: str | None = None

    def compile(self) -> None:
        """Compile now instead of at the first check."""
        self._compiled = True
        self.problem = _too_big(self._schema)
        if self.problem is not None:
            return
        reasons: list[str] = []
        engines = (jsonschema_rs.RegexOptions(), jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT))
        for options in engines:
            try:
                self._validator = jsonschema_rs.validator_for(
                    cast("dict[str, Any]", self._schema), offline=True, pattern_options=options
                )
            except (ValueError, RecursionError) as error:  # ValidationError and ReferencingError are ValueErrors
                reasons.append(str(error).partition("\n")[0][:_MESSAGE_CHARS])
            else:
                return
        self.problem = f"the input schema can't be compiled, so arguments go unchecked: {reasons[-1]}"

    def faults(self, arguments: object) -> list[str]:
        """What does not fit: at most five lines `arguments.path: reason`; empty if all is well."""
        if not self._compiled:
            self.compile()
        validator = self._validator
        if validator is None or validator.is_valid(arguments):
            return []
        lines: list[str] = []
        for error in validator.iter_errors(arguments):
            lines.append(f"{_path(error.instance_path)}: {_shortened(error.message)}")
            if len(lines) == _MESSAGES:
                break
        return lines


def _path(steps: list[str | int]) -> str:
    return "arguments" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE_CHARS else message[: _MESSAGE_CHARS - 1] + "…"


def _children(node: object) -> Iterator[object]:
    if isinstance(node, dict):
        yield from cast("dict[str, object]", node).values()
    elif isinstance(node, list):
        yield from cast("list[object]", node)


def _too_big(schema: object) -> str | None:
    level: list[object] = [schema]
    count = 0
    for _ in range(MAX_SCHEMA_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return None
        count += len(level)
        if count > MAX_SCHEMA_NODES:
            return f"the input schema has more than {MAX_SCHEMA_NODES} nodes, so arguments go unchecked"
    return f"the input schema is deeper than {MAX_SCHEMA_DEPTH} levels, so arguments go unchecked"


def has_header_parameters(schema: object) -> bool:
    """Whether a tool mirrors arguments in `Mcp-Param-*` headers.

    Source: MCP 2026-07-28, basic/transports (x-mcp-header).
    """
    stack: list[tuple[object, int]] = [(schema, 0)]
    seen = 0
    while stack:
        item: tuple[object, int] = stack.pop()
        node, depth = item
        seen += 1
        if isinstance(node, dict) and "x-mcp-header" in cast("dict[str, object]", node):
            return True
        if depth > MAX_SCHEMA_DEPTH or seen > MAX_SCHEMA_NODES:
            return True  # not read to its end: the long road looks after it
        stack.extend((child, depth + 1) for child in _children(cast("object", node)))
    return False
