"""The MCP-first interop hub.

The names below are loaded when they are used, so that `import hub` stays cheap.
"""

from typing import TYPE_CHECKING, Any

from hub import forking

if TYPE_CHECKING:
    from hub.agents import DurableAgent, MCPToolProvider, memory, tool
    from hub.runner import AgentRunner

__all__ = ["AgentRunner", "DurableAgent", "MCPToolProvider", "memory", "tool"]

forking.leave_to_us()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("hub.runner" if name == "AgentRunner" else "hub.agents"), name)
