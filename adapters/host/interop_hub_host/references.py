"""From a reference to the object that it names: `package.module:Name`, `path/file.py:Name`."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .failures import TargetError


def load_reference(reference: str) -> Any:
    """Import what a reference names.

    Raises:
        TargetError: there is no such file, module or attribute, or the import fails.
    """
    place, _, attribute = reference.rpartition(":")
    if not place or not attribute:
        raise TargetError(reference, f"`{reference}`: expected `package.module:Name` or `path/file.py:Name`")
    found: Any = load_module(place, reference)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(reference, f"`{place}` has no `{attribute}`{_offers(found)}") from None
    return found


def load_module(place: str, reference: str) -> ModuleType:
    """Import a module by its dotted name or by its file.

    Raises:
        TargetError: there is none, or its import fails.
    """
    if place.endswith(".py") or "/" in place:
        return _load_file(Path(place), reference)
    return _import(place, reference)


def _offers(owner: Any) -> str:
    names = [name for name in vars(owner) if not name.startswith("_")] if isinstance(owner, (ModuleType, type)) else []
    own = getattr(owner, "__name__", "")
    mine = [
        name
        for name in names
        if not isinstance(vars(owner)[name], ModuleType) and getattr(vars(owner)[name], "__module__", own) == own
    ]
    return f"; it has: {', '.join(sorted(mine)[:20])}" if mine else ""


def _load_file(path: Path, reference: str) -> ModuleType:
    if not path.is_file():
        raise TargetError(reference, f"`{path}`: no such file in the project")
    path = path.absolute()
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    if all(part.isidentifier() for part in parts) and parts[0] not in sys.stdlib_module_names:
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        module = _import(".".join(parts), reference)
        if Path(module.__file__ or "") == path:
            return module
    return _load_apart(path, reference)


def _load_apart(path: Path, reference: str) -> ModuleType:
    """Import a file whose name another module has already."""
    name = f"interop_hub_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(reference, f"`{path.name}` is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failed(path.name, reference, error) from error
    return module


def _import(name: str, reference: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _failed(name, reference, error) from error


def _failed(name: str, reference: str, error: Exception) -> TargetError:
    detail = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if name == error.name or name.startswith(f"{error.name}."):
            return TargetError(
                reference, f"there is no module `{error.name}` in the project or its environment", detail
            )
        missing = error.name.partition(".")[0]
        return TargetError(
            reference,
            f"`{name}` needs `{missing}`, which this environment lacks: install the project's dependencies",
            f"{detail} (looked in {sys.executable})",
        )
    return TargetError(reference, f"the import of `{name}` raises {type(error).__name__}", detail)


def import_framework(name: str, reference: str) -> Any:
    """Import a framework that a target needs.

    Raises:
        TargetError: the environment lacks it; the detail tells which interpreter was looked at.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise TargetError(
            reference,
            f"the environment of `{reference}` has no {package}: run `uv sync` in the project",
            f"{type(error).__name__}: {error} (looked in {sys.executable})",
        ) from error
