"""Calls a host's tool with the MCP SDK 1.x; prints the structured result."""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main() -> None:
    program, *arguments = json.loads(sys.argv[1])
    async with (
        stdio_client(StdioServerParameters(command=program, args=arguments)) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        given = {"point": {"x": 1, "y": 2}, "color": "red", "tags": ["a"]}
        result = await session.call_tool("shapes", given)
        print(json.dumps(result.structuredContent))


asyncio.run(main())
