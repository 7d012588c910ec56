"""What of a folder or file can be added to hub.yaml, found by reading: nothing of it is run."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

from hub.catalog.provider import Json
from hub.upstream import Recognised

_SKIPPED: Final = frozenset({"tests", "test", "tools", "build", "dist", "node_modules", "__pycache__"})
_MAX_FILES: Final = 500


def recognise_project(path: Path, folder: Path) -> Sequence[Recognised]:
    """A CrewAI project, a LangGraph project, or a Python file.

    Args:
        folder: that of hub.yaml; paths of the entries are relative to it where they can be.
    """
    path = path.absolute()
    if path.is_dir():
        return _folder(path, folder)
    if path.name == "langgraph.json":
        return _langgraph(path, folder)
    if path.name in ("crew.json", "crew.jsonc") or (path.suffix in (".jsonc", ".json") and _is_declared_crew(path)):
        return [_crew_file(path, folder)]
    if path.suffix == ".py" and path.is_file():
        return _python_file(path, folder)
    return ()


def _folder(path: Path, folder: Path) -> Sequence[Recognised]:
    if (path / "langgraph.json").is_file():
        return _langgraph(path / "langgraph.json", folder)
    kind = _crewai_kind(path)
    if kind is not None:
        found = list(_crewai(path, folder, kind))
        if found:
            return found
    for name in ("crew.jsonc", "crew.json"):
        if (path / name).is_file():
            return [_crew_file(path / name, folder)]
    return ()


def _crewai_kind(path: Path) -> str | None:
    """`crew` or `flow`, from the table that crewai's own template writes, or from the dependencies."""
    try:
        data = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    tool = cast("Json", data.get("tool", {}))
    declared: object = cast("Json", tool.get("crewai", {})).get("type")
    if declared in ("crew", "flow"):
        return str(declared)
    wanted = cast("list[object]", cast("Json", data.get("project", {})).get("dependencies", []))
    return "crew" if any(re.match(r"crewai\b", str(item)) for item in wanted) else None


def _crewai(path: Path, folder: Path, kind: str) -> Iterator[Recognised]:
    for file, source in _sources(path):
        for name, what in _objects(source):
            if what == kind:
                reference = f"{_module(file, path)}:{name}"
                yield Recognised(
                    what=f"a CrewAI {kind} ({name} in {file.relative_to(path)})",
                    section=f"{kind}s",
                    name=_snake(name),
                    entry=_entry(kind, reference, path, folder),
                    hints=_crewai_hints(path),
                )


def _langgraph(file: Path, folder: Path) -> Sequence[Recognised]:
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        graphs = list(cast("dict[str, object]", data["graphs"]))
    except (OSError, ValueError, TypeError, KeyError):
        return ()
    return [
        Recognised(
            what=f"a LangGraph graph ({name} in {file.name})",
            section="graphs",
            name=_slug(name),
            entry=_entry("graph", f"{file.name}:{name}", file.parent, folder),
            hints=_hints(file.parent),
        )
        for name in graphs
    ]


def _python_file(path: Path, folder: Path) -> Sequence[Recognised]:
    source = path.read_text(encoding="utf-8", errors="replace")
    try:
        objects = list(_objects(source))
    except SyntaxError:
        return ()
    project = nearest_project(path)
    relative = path.relative_to(project).as_posix()
    found = [
        Recognised(
            what=f"a {_TITLES[what]} ({name} in {path.name})",
            section=f"{what}s",
            name=_snake(name),
            entry=_entry(what, f"{relative}:{name}", project, folder),
            hints=_hints(project),
        )
        for name, what in objects
        if what != "function"
    ]
    names = [name for name, what in objects if what == "function"]
    if found or not names:
        return found
    return [
        Recognised(
            what=f"Python functions ({', '.join(names[:8])}{', …' if len(names) > 8 else ''} in {path.name})",
            section="functions",
            name=_slug(path.stem),
            entry=_entry("functions", relative, project, folder),
        )
    ]


def _crew_file(path: Path, folder: Path) -> Recognised:
    return Recognised(
        what=f"a CrewAI crew ({path.name})",
        section="crews",
        name=_slug(path.parent.name),
        entry=_entry("crew", path.name, path.parent, folder),
        hints=_crewai_hints(path.parent),
    )


def _is_declared_crew(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return '"agents"' in text and '"tasks"' in text


_NO_VARIABLES: Final = (
    "the project has no .env: write what its model needs under `env` of the entry, such as MODEL, OPENAI_API_KEY and "
    "OPENAI_BASE_URL"
)
_TITLES: Final = {"crew": "CrewAI crew", "flow": "CrewAI flow", "graph": "LangGraph graph"}


def _objects(source: str) -> Iterator[tuple[str, str]]:
    """The crews, flows, graphs and public functions that a module defines, by name."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            if any(_last_name(item) == "CrewBase" for item in node.decorator_list):
                yield node.name, "crew"
            elif any(_last_name(parent) == "Flow" for parent in node.bases):
                yield node.name, "flow"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            returned = _last_name(node.returns) if node.returns is not None else None
            yield (
                node.name,
                {"Crew": "crew", "CompiledStateGraph": "graph", "StateGraph": "graph"}.get(returned or "", "function"),
            )
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            made = _made_by(node.value)
            if made is not None:
                yield node.targets[0].id, made


def _made_by(value: ast.expr) -> str | None:
    if not isinstance(value, ast.Call):
        return None
    match _last_name(value.func):
        case "Crew":
            return "crew"
        case "compile" | "create_agent" | "create_react_agent":
            is_pattern = isinstance(value.func, ast.Attribute) and _last_name(value.func.value) == "re"
            return None if is_pattern else "graph"
        case _:
            return None


def _last_name(node: ast.expr) -> str | None:
    """`Flow` of `Flow[State]`, of `crewai.flow.Flow` and of `Flow(...)`."""
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _sources(project: Path) -> Iterator[tuple[Path, str]]:
    root = project / "src" if (project / "src").is_dir() else project
    count = 0
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).parts
        if any(part.startswith(".") or part in _SKIPPED for part in parts):
            continue
        count += 1
        if count > _MAX_FILES:
            return
        source = file.read_text(encoding="utf-8", errors="replace")
        try:
            ast.parse(source)
        except SyntaxError:
            continue
        yield file, source


def _module(file: Path, project: Path) -> str:
    """The dotted name under which a file is imported: from `src`, or from the project's folder."""
    root = project / "src" if file.is_relative_to(project / "src") else project
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def nearest_project(path: Path) -> Path:
    """The nearest folder above a file that is a project; its own folder where there is none."""
    for folder in path.parents:
        if (folder / "pyproject.toml").is_file() or (folder / ".venv").is_dir():
            return folder
        if (folder / ".git").exists():
            break
    return path.parent


def _entry(key: str, reference: str, project: Path, folder: Path) -> Json:
    project, folder = project.resolve(), folder.resolve()
    place = project.relative_to(folder).as_posix() if project.is_relative_to(folder) else str(project)
    variables = _variables(project)
    entry: Json = {key: reference, "project": place}
    if variables:
        entry["env"] = {name: f"${{{name}}}" for name in variables}
    return entry


def _variables(project: Path) -> list[str]:
    """Names that the project's own `.env.example` or `.env` sets; their values stay where they are."""
    for name in (".env.example", ".env"):
        try:
            text = (project / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        return list(dict.fromkeys(re.findall(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=", text, flags=re.MULTILINE)))
    return []


def _crewai_hints(project: Path) -> tuple[str, ...]:
    """What `_hints` says, and of a project that names no variables, where its model's are written."""
    if _variables(project):
        return _hints(project)
    return (*_hints(project), _NO_VARIABLES)


def _hints(project: Path) -> tuple[str, ...]:
    hints: list[str] = []
    if not (project / ".venv").is_dir() and not (project / "uv.lock").is_file():
        hints.append(f"the project has no environment yet: run `uv sync` in {project}")
    variables = _variables(project)
    if variables:
        hints.append(f"set {', '.join(variables)} in the hub's environment: the entry passes them on")
    return tuple(hints)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40] or "tools"


def _snake(name: str) -> str:
    return _slug(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower())
