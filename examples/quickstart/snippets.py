"""What to paste into an MCP client so that it uses the hub."""

import json
import sys
from pathlib import Path


def client_snippets(url: str, config: Path) -> str:
    """Ready settings for Claude Desktop, VS Code and Cursor.

    Claude Desktop starts programs only: its snippet starts `hub serve --stdio`, which joins the hub that is running.
    """
    hub = str(Path(sys.executable).parent / "hub")
    joined = {"command": hub, "args": ["serve", "--stdio", "--config", str(config)]}
    parts = {
        "Claude Desktop (claude_desktop_config.json)": {"mcpServers": {"hub": joined}},
        "VS Code (.vscode/mcp.json)": {"servers": {"hub": {"type": "http", "url": url}}},
        "Cursor (.cursor/mcp.json)": {"mcpServers": {"hub": {"url": url}}},
    }
    return "\n\n".join(f"{name}:\n{json.dumps(snippet, indent=2)}" for name, snippet in parts.items())
