"""Where a compiled graph comes from: an object, a builder, a function that makes one."""

import asyncio
import inspect
from typing import Any

from .failures import TargetError


def compiled_graph(named: Any, reference: str) -> Any:
    """Give the compiled graph of what a reference names.

    Raises:
        TargetError: it is no graph, and makes none.
    """
    found: Any = named
    if not _is_graph(found) and callable(named) and not hasattr(found, "compile"):
        found = _made(named, reference)
    if hasattr(found, "compile") and not _is_graph(found):
        found = found.compile()
    if not _is_graph(found):
        raise TargetError(reference, f"`{reference}` is of type {type(found).__name__}; expected a LangGraph graph")
    return found


def _is_graph(found: Any) -> bool:
    return not inspect.isclass(found) and hasattr(found, "astream") and hasattr(found, "get_input_jsonschema")


def _made(function: Any, reference: str) -> Any:
    """Call a factory: without arguments, or with an empty configuration as LangGraph's own server gives it."""
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(parameters) > 1:
        raise TargetError(
            reference, f"`{reference}` takes {len(parameters)} arguments; expected none, or one for the config"
        )
    made = function(*({"configurable": {}} for _ in parameters))
    if inspect.iscoroutine(made):
        return asyncio.run(made)
    return made
