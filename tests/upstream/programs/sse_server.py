"""A server on SDK 2.x over the old HTTP+SSE transport.

usage: sse_server.py PORT
"""

import sys

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("old", log_level="ERROR")


class Name(BaseModel):
    """What is asked."""

    name: str


@server.tool()
async def add(a: int, b: int, ctx: Context) -> str:
    """Add two numbers."""
    await ctx.report_progress(1, 1)
    return str(a + b)


@server.tool()
async def ask(ctx: Context) -> str:
    """Ask for a name."""
    answer = await ctx.elicit("Your name?", Name)
    return answer.data.name if answer.action == "accept" else answer.action


if __name__ == "__main__":
    server.run("sse", host="127.0.0.1", port=int(sys.argv[1]))
