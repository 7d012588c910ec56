"""The hub on a pipe: one client of either era on standard input and output."""

from hub.catalog.catalog import Catalog


async def serve_stdio(catalog: Catalog, *, name: str, version: str, identity: str) -> None:
    """Serve one client until it closes the pipe.

    Source: MCP 2026-07-28, basic/transports (stdio).
    """
    from mcp.server.stdio import stdio_server

    from hub.gateway.server import HubServer

    server = HubServer(catalog, name=name, version=version, identity=identity)
    async with server.open(), stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
