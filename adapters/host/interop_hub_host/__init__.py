"""An MCP host of the standard library alone: it wraps crews, flows, graphs and functions as tools.

The package carries a name of its own because it shares `sys.modules` with the user's code.
"""

VERSION = "0.1.0"
