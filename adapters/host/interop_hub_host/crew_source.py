"""Where a fresh crew comes from: a class, a function, an object, a declaration.

A crew keeps its last call's inputs and runs one call at a time: it is never shared, each call gets its own.
"""

import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from .failures import TargetError
from .tools import tool_name

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewSource:
    """Builds crews."""

    build: Callable[[], Any]
    """Give a crew that nobody has used."""
    name: str
    description: str | None = None
    defaults: Json = field(default_factory=dict[str, Any])


_building = threading.Lock()


def crew_source(found: Any, crewai: Any, reference: str) -> CrewSource:
    """Tell how to build crews of what a reference names.

    Raises:
        TargetError: it is no crew, and makes none.
    """
    if getattr(found, "is_crew_class", False):
        return CrewSource(build=_from_class(found), name=tool_name(found.__name__), description=own_doc(found))
    if isinstance(found, cast("type", crewai.Crew)):
        return CrewSource(build=found.copy, name=tool_name(found.name or "crew"))
    if not callable(found):
        raise TargetError(reference, f"`{reference}` is of type {type(found).__name__}; expected a crew")
    needed = [
        key
        for key, parameter in inspect.signature(found).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    if needed:
        message = f"`{reference}` can't be called without arguments ({', '.join(needed)}): give them defaults"
        raise TargetError(reference, message)
    made: Any = found()
    crew_class: Any = crewai.Crew
    if not isinstance(made, crew_class):
        raise TargetError(reference, f"`{reference}` returns {type(made).__name__}; expected a crew")
    name = made.name if made.name not in (None, "crew") else found.__name__
    return CrewSource(build=found, name=tool_name(name), description=own_doc(found))


def own_doc(found: Any) -> str | None:
    """Give an object's own docstring, not its parents'."""
    owned: Any = vars(found) if inspect.isclass(found) else {"__doc__": found.__doc__}
    return inspect.cleandoc(owned["__doc__"]) if owned.get("__doc__") else None


def _from_class(owner: Any) -> Callable[[], Any]:
    cache = import_module("crewai.project.utils").cache

    def build() -> Any:
        """Build under a lock: crewai memoises what such a class makes, for ever and by the address of its object."""
        with _building:
            cache._cache.clear()
            try:
                return owner().crew()
            finally:
                cache._cache.clear()

    return build


def declared_source(path: Path, reference: str) -> CrewSource:
    """Take a `crew.jsonc` (or `.json`).

    Raises:
        TargetError: there is no such file, or crewai can't read it.
    """
    if not path.is_file():
        raise TargetError(reference, f"`{path}`: no such file in the project")
    load = import_module("crewai.project.crew_loader").load_crew
    try:
        crew, defaults = load(path)
    except Exception as error:
        detail = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        raise TargetError(reference, f"crewai can't read `{path}`", detail) from error
    name = crew.name if crew.name not in (None, "crew") else path.absolute().parent.name
    return CrewSource(build=lambda: load(path)[0], name=tool_name(name), defaults=dict(defaults))
