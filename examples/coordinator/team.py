"""A durable agent whose tools are a CrewAI crew, a LangGraph graph and an MCP server."""

import os
import sys
from pathlib import Path

from adapters import CrewAITool, LangGraphTool
from hub import DurableAgent, MCPToolProvider

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "examples"


class Coordinator(DurableAgent):
    """Has a topic researched, has a person review the text, and keeps what may be published."""

    system_prompt = "You say in one line what was done."
    model = os.environ.get("HUB_MODEL", "offline")

    async def write_up(self, topic: str) -> str:
        """Write up a topic as a note."""
        report = (await self.call_tool("research_team", {"topic": topic}))["result"]
        reviewed = await self.call_tool("review", {"topic": report["topic"]})
        if not reviewed["approved"]:
            return f"Nothing is published on {topic}."
        body = "\n".join([reviewed["text"], *report["findings"]])
        note = await self.call_tool("add_note", {"title": report["summary"], "body": body})
        return await self.llm.summarize(f"note {note['id']} keeps {note['title']!r}")


def build_coordinator(notes: Path) -> Coordinator:
    """The coordinator with its tools.

    Args:
        notes: the file in which the `notes` server keeps them.
    """
    return Coordinator(
        tools=[
            CrewAITool(
                crew="crew.py:crew",
                name="research_team",
                project=EXAMPLES / "research_team" / "project",
                python=_python_of("crewai"),
            ),
            LangGraphTool(
                graph="graph.py:build",
                name="review",
                project=EXAMPLES / "review_graph" / "project",
                python=_python_of("langgraph"),
            ),
            MCPToolProvider(
                {"command": sys.executable, "args": ["-m", "mcp_servers.notes", "--db", str(notes)]},
                name="notes",
            ),
        ]
    )


def _python_of(environment: str) -> str:
    """The interpreter of `envs/NAME`; a project with a .venv of its own needs no such line."""
    return str(CHECKOUT / "envs" / environment / ".venv" / "bin" / "python")
