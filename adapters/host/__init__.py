"""The MCP host that runs crews, flows, graphs and functions in their own environment; it is started by path."""

from pathlib import Path

HOST_PROGRAM = Path(__file__).with_name("__main__.py")
"""What the user's interpreter is given: `python HOST_PROGRAM --target ...`."""

__all__ = ["HOST_PROGRAM"]
