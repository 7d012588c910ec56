"""The hub.yaml that `hub init` writes."""

from hub.config.merging import dump
from hub.config.schema import SCHEMA_COMMENT

_EXAMPLES = """\
  # A program that speaks MCP on its standard input and output:
  # time:
  #   command: uvx
  #   args: [mcp-server-time]
  #   env:
  #     LOG_LEVEL: ${LOG_LEVEL:-info}
  #
  # A server that is reached over HTTP; the token is taken from the environment:
  # tracker:
  #   url: https://mcp.example.com/mcp
  #   headers:
  #     Authorization: Bearer ${TRACKER_TOKEN}
  #   hide: [delete_*]

gateway:
  host: 127.0.0.1
  port: 8080
"""


def starter_text(python: str) -> str:
    """A configuration that works as it is.

    Args:
        python: the interpreter that this package is installed for.
    """
    notes = {"servers": {"notes": {"command": python, "args": ["-m", "mcp_servers.notes"]}}}
    return f"{SCHEMA_COMMENT}\n{dump(notes)}{_EXAMPLES}"
