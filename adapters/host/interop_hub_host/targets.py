"""What the host is told to offer, and which adapter makes a tool of it."""

import contextlib
import inspect
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from .failures import TargetError
from .functions import function_tool, module_functions
from .references import import_framework, load_module, load_reference
from .tools import HostTool, tool_name

Json = dict[str, Any]

KINDS: Final = ("crew", "flow", "graph", "function", "functions", "auto")
TESTED: Final = {"crewai": (1, 15), "langgraph": (1, 2)}
"""Releases that the tests run with; others get a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One `--target`."""

    kind: str
    reference: str
    name: str | None = None
    description: str | None = None
    inputs: tuple[str, ...] | None = None
    """A flow's arguments among the fields of its state; without it all of them."""
    schema: Json | None = None
    """Schemas of single arguments that take the place of the worked-out ones."""
    defaults: Json | None = None
    """A crew's arguments that a call may leave out."""
    step_limit: int = 100
    """Supersteps of a graph's run."""


def parse_target(text: str) -> Target:
    """Read `kind:reference`, or a JSON object with the fields of `Target` (`ref` for the reference).

    Raises:
        TargetError: neither of them.
    """
    if not text.startswith("{"):
        kind, _, reference = text.partition(":")
        if kind not in KINDS or not reference:
            raise TargetError(text, f"`{text}`: expected KIND:REFERENCE with a kind of {', '.join(KINDS)}")
        return Target(kind=kind, reference=reference)
    try:
        data = cast("Json", json.loads(text))
        data["reference"] = data.pop("ref")
        if data.get("inputs") is not None:
            data["inputs"] = tuple(data["inputs"])
        target = Target(**data)
    except (ValueError, TypeError, KeyError) as error:
        raise TargetError(
            text,
            "a target in JSON needs `kind` and `ref`, and takes `name`, `description`, `inputs`,"
            " `schema`, `defaults` and `step_limit`",
        ) from error
    if target.name is not None and target.name != tool_name(target.name, keep_case=True):
        message = f"`{target.name}` is no tool name: at most 64 of letters, digits, `_` and `-`"
        raise TargetError(target.reference, message)
    if target.kind not in KINDS:
        raise TargetError(target.reference, f"`{target.kind}` is no kind; expected one of {', '.join(KINDS)}")
    return target


def load_target(target: Target) -> list[HostTool]:
    """Import a target and make its tools.

    Raises:
        TargetError: it can't be offered; the message names the reference and the fix.
    """
    if target.kind == "functions":
        return module_functions(load_module(target.reference, target.reference), target.reference)
    path = Path(target.reference)
    if path.suffix in (".json", ".jsonc"):
        is_graphs = target.kind == "graph" or path.name == "langgraph.json"
        return _langgraph_project(target, path) if is_graphs else [_declared_crew(target, path)]
    if target.kind == "graph" and path.name.startswith("langgraph.json:"):
        file, _, only = target.reference.rpartition(":")
        return _langgraph_project(target, Path(file), only)
    found = load_reference(target.reference)
    kind = target.kind if target.kind != "auto" else _kind_of(found, target.reference)
    match kind:
        case "crew":
            return [_crew(target, found)]
        case "flow":
            return [_flow(target, found)]
        case "graph":
            return [_graph(target, found)]
        case _:
            if not callable(found):
                raise _no(target.reference, found, "a function")
            return [function_tool(found, target.reference, name=target.name, description=target.description)]


def _kind_of(found: Any, reference: str) -> str:
    if getattr(found, "is_crew_class", False):
        return "crew"
    line = found.__mro__ if inspect.isclass(found) else type(found).__mro__
    names = {f"{parent.__module__.partition('.')[0]}.{parent.__name__}" for parent in line}
    if "crewai.Crew" in names:
        return "crew"
    if "crewai.Flow" in names:
        return "flow"
    if names & {"langgraph.Pregel", "langgraph.StateGraph"}:
        return "graph"
    if inspect.isfunction(found):
        returned = str(found.__annotations__.get("return", ""))
        for kind, word in (("crew", "Crew"), ("graph", "Graph")):
            if word in returned:
                return kind
        return "function"
    raise _no(reference, found, "a crew, a flow, a graph or a function")


def _no(reference: str, found: Any, wanted: str) -> TargetError:
    what = f"the class {found.__name__}" if inspect.isclass(found) else f"of type {type(found).__name__}"
    return TargetError(reference, f"`{reference}` is {what}; expected {wanted}")


def _crew(target: Target, found: Any) -> HostTool:
    from .crew_source import crew_source
    from .crews import crew_tool

    crewai = import_framework("crewai", target.reference)
    return crew_tool(crew_source(found, crewai, target.reference), target)


def _declared_crew(target: Target, path: Path) -> HostTool:
    from .crew_source import declared_source
    from .crews import crew_tool

    import_framework("crewai", target.reference)
    return crew_tool(declared_source(path, target.reference), target)


def _flow(target: Target, found: Any) -> HostTool:
    from .flows import flow_tool

    crewai_flow = import_framework("crewai.flow.flow", target.reference)
    if not (inspect.isclass(found) and issubclass(found, crewai_flow.Flow)):
        raise _no(target.reference, found, "a subclass of crewai's Flow")
    return flow_tool(found, target)


def _graph(target: Target, found: Any) -> HostTool:
    from .graph_source import compiled_graph
    from .graphs import graph_tool

    import_framework("langgraph.graph", target.reference)
    return graph_tool(compiled_graph(found, target.reference), target)


def _langgraph_project(target: Target, path: Path, only: str | None = None) -> list[HostTool]:
    """Take the graphs that a `langgraph.json` names."""
    if not path.is_file():
        raise TargetError(target.reference, f"`{path}`: no such file in the project")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        graphs = {
            str(name): entry if isinstance(entry, str) else entry["path"] for name, entry in data["graphs"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TargetError(target.reference, f"`{path}` has no `graphs: {{name: file.py:attribute}}`") from error
    if only is not None and only not in graphs:
        raise TargetError(target.reference, f"`{path}` has no graph `{only}`; it has: {', '.join(sorted(graphs))}")
    for entry in data.get("dependencies", ()):
        folder = path.parent / str(entry)
        if folder.is_dir() and str(folder.absolute()) not in sys.path:
            sys.path.insert(0, str(folder.absolute()))
    tools: list[HostTool] = []
    for name, reference in graphs.items():
        if only in (None, name):
            place, _, attribute = reference.rpartition(":")
            found = load_reference(f"{path.parent / place}:{attribute}" if place.endswith(".py") else reference)
            one = Target(
                kind="graph",
                reference=reference,
                name=target.name if only is not None and target.name else tool_name(name, keep_case=True),
                description=target.description,
                step_limit=target.step_limit,
            )
            tools.append(_graph(one, found))
    return tools


def framework_versions() -> dict[str, str]:
    """Give the versions of the frameworks that are imported."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and not needed to answer first

    found: dict[str, str] = {}
    for package in TESTED:
        if package in sys.modules:
            with contextlib.suppress(PackageNotFoundError):
                found[package] = version(package)
    return found


def version_warnings() -> list[str]:
    """Warn of releases that the tests do not run with."""
    warnings: list[str] = []
    for package, version in framework_versions().items():
        tested = ".".join(map(str, TESTED[package]))
        if not version.startswith(f"{tested}."):
            warnings.append(f"{package} {version} is outside the tested range ({tested}.x)")
    return warnings
