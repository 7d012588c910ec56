"""Whether an answer is one that the question allows."""

from collections.abc import Mapping
from typing import Any, cast

from hub.errors import InvalidInputError
from hub.workflows.question import Question


def check_answer(question: Question, result: Mapping[str, Any]) -> None:
    """Check the result of an elicitation against what was asked; other results pass as they are.

    Raises:
        InvalidInputError: it does not fit; the message names the place.

    Source: MCP 2026-07-28, client/elicitation.
    """
    if question.method != "elicitation/create":
        return
    action = result.get("action")
    if action not in ("accept", "decline", "cancel"):
        raise InvalidInputError(f"answer: expected the action accept, decline or cancel, not {action!r}")
    schema = question.params.get("requestedSchema")
    if action != "accept" or not isinstance(schema, Mapping):
        return
    import jsonschema_rs  # workers, which take answers and never check one, do without

    content = result.get("content")
    if content is None:
        content = {}
    if not isinstance(content, Mapping):
        raise InvalidInputError("answer: expected `content` to be an object")
    wanted = dict(cast("Mapping[str, Any]", schema))
    try:
        validator = jsonschema_rs.validator_for(wanted)
    except (ValueError, jsonschema_rs.ReferencingError):
        return  # a question whose schema is no schema takes any answer
    error = next(validator.iter_errors(dict(cast("Mapping[str, Any]", content))), None)
    if error is not None:
        place = "/".join(str(part) for part in error.instance_path) or "content"
        raise InvalidInputError(f"answer: {place}: {error.message}")
