"""Durable agents: their model calls, tool calls and waits are finished steps that a crash does not repeat.

The names are loaded when they are used: the configuration reads the settings of this package without the rest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.agents import memory
    from hub.agents.agent import MODEL_RETRY, DurableAgent
    from hub.agents.errors import (
        ModelMissingError,
        ModelRefusedError,
        ModelUnavailableError,
        NotHostedError,
        ToolError,
        TurnLimitError,
    )
    from hub.agents.hooks import Hooks, ModelCall, ToolCall, ToolResult
    from hub.agents.house import House, ToolSource
    from hub.agents.mcp_tools import MCPToolProvider
    from hub.agents.models.choice import Model
    from hub.agents.tools import tool
    from hub.agents.totals import Totals, totals_of

_MODULES = {
    "agent": ("MODEL_RETRY", "DurableAgent"),
    "errors": (
        "ModelMissingError",
        "ModelRefusedError",
        "ModelUnavailableError",
        "NotHostedError",
        "ToolError",
        "TurnLimitError",
    ),
    "hooks": ("Hooks", "ModelCall", "ToolCall", "ToolResult"),
    "house": ("House", "ToolSource"),
    "mcp_tools": ("MCPToolProvider",),
    "models.choice": ("Model",),
    "tools": ("tool",),
    "totals": ("Totals", "totals_of"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "MODEL_RETRY",
    "DurableAgent",
    "Hooks",
    "House",
    "MCPToolProvider",
    "Model",
    "ModelCall",
    "ModelMissingError",
    "ModelRefusedError",
    "ModelUnavailableError",
    "NotHostedError",
    "ToolCall",
    "ToolError",
    "ToolResult",
    "ToolSource",
    "Totals",
    "TurnLimitError",
    "memory",
    "tool",
    "totals_of",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name == "memory":
        return importlib.import_module(f"{__name__}.memory")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
