"""The program that draws help pages, without the two heavy parts of `rich` that no page of this hub needs."""

import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

_HELP = ("-h", "--help")
_HEAVY = (("rich.markdown", "Markdown"), ("rich.traceback", "Traceback"))
"""A parser of Markdown and a highlighter of source: more than half of what loading the drawing program costs."""


class _Later(type):
    """A class that is loaded when it is used."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _real(cls)(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        return getattr(_real(cls), name)


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for a help page."""
    return not arguments or any(each in _HELP for each in arguments)


def load_drawing() -> None:
    """Load what draws help pages; its heavy parts come when something uses them."""
    put: list[str] = []
    for module_name, name in _HEAVY:
        if module_name not in sys.modules:
            stand_in = ModuleType(module_name)
            setattr(stand_in, name, _Later(name, (), {"__module__": module_name}))
            sys.modules[module_name] = stand_in
            put.append(module_name)
    try:
        import_module("typer.rich_utils")
    finally:
        for module_name in put:
            del sys.modules[module_name]


def _real(stand_in: type) -> Any:
    return getattr(import_module(stand_in.__module__), stand_in.__name__)
