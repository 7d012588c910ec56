"""Crews, flows, graphs, functions and HTTP services as tools.

The names below are loaded when they are used: the hub itself imports none of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.interop import CrewAIFlowTool, CrewAITool, LangGraphTool

__all__ = ["CrewAIFlowTool", "CrewAITool", "LangGraphTool"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("adapters.interop"), name)
