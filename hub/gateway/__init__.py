"""The MCP server side: one endpoint, both protocol eras."""
