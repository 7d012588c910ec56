"""Two agents on the `papers` and `notes` servers: one researches, the other keeps what was found."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from hub import AgentRunner, DurableAgent, MCPToolProvider, tool
from hub.workflows import current_step

TOPIC = "research-complete"
LEDGER = Path(os.environ.get("RESEARCH_LEDGER", "ledger.txt"))
PAPERS_VARIABLES = {name: value for name, value in os.environ.items() if name.startswith("PAPERS_")}


class ResearchAgent(DurableAgent):
    """Finds papers on a topic and says what is in them."""

    system_prompt = "You summarise papers in plain words."
    model = os.environ.get("HUB_MODEL", "offline")
    tools = (
        MCPToolProvider(
            {"command": sys.executable, "args": ["-m", "mcp_servers.papers"], "env": PAPERS_VARIABLES}, name="papers"
        ),
    )

    @tool
    def weigh(self, title: str, abstract: str) -> int:
        """How many words a paper has; slow on purpose, and each execution is written down."""
        step = current_step()
        with LEDGER.open("a") as ledger:
            ledger.write(f"{step.key if step else '-'}\n")
        time.sleep(0.3)
        return len(f"{title} {abstract}".split())

    async def research(self, topic: str) -> str:
        """Research a topic."""
        found = await self.call_tool("search_papers", {"query": topic})
        weights = [await self.weigh(paper["title"], paper["excerpt"]) for paper in found["papers"]]
        summary = await self.llm.summarize({"papers": found["papers"], "words": weights})
        await self.publish(TOPIC, {"topic": topic, "findings": summary})
        return summary


class Archivist(DurableAgent):
    """Keeps findings as notes."""

    tools = (
        MCPToolProvider(
            {
                "command": sys.executable,
                "args": ["-m", "mcp_servers.notes", "--db", os.environ.get("RESEARCH_NOTES", "notes.db")],
            },
            name="notes",
        ),
    )

    async def keep(self, topic: str, findings: str) -> Any:
        """Write a note."""
        return await self.call_tool("add_note", {"title": f"Findings on {topic}", "body": findings})


researcher = ResearchAgent()
archivist = Archivist()


def build_runner(state_dir: Path, kept: anyio.Event) -> AgentRunner:
    """Both agents, and the event that joins them.

    Args:
        kept: set when a note was written.
    """
    runner = AgentRunner(agents=[researcher, archivist], state_dir=state_dir)

    @runner.subscribe(TOPIC)
    async def keep_findings(event: Any) -> None:
        await archivist.keep(event["topic"], event["findings"])
        kept.set()

    return runner
