"""Durable agents: their model calls, tool calls and waits are finished steps that a crash does not repeat."""

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
