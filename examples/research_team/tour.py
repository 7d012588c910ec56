"""Call the crew through a hub: `python -m examples.research_team.tour`."""

import os
from pathlib import Path

import anyio

from hub.app import open_target
from hub.catalog.provider import Answer
from hub.cli.terminal import Terminal
from hub.config import Places, load_config

CONFIG = Path(__file__).with_name("hub.yaml")


async def tour() -> dict[str, object]:
    """Research one topic; progress is shown on standard error."""
    async with open_target(load_config(CONFIG, os.environ), Places.of(CONFIG)) as target:
        tool = target.catalog.tool("research_team")
        assert tool.definition["inputSchema"]["required"] == ["topic"]
        caller = Terminal(version="1", log_level=None, quiet=False)
        params = {"name": "research_team", "arguments": {"topic": "tea"}}
        outcome = await target.catalog.call_tool(params, caller)
    assert isinstance(outcome, Answer), outcome
    assert outcome.body["isError"] is False, outcome.body
    result: dict[str, object] = outcome.body["structuredContent"]["result"]
    assert result == {"topic": "tea", "findings": ["tea has a past", "tea has a future"], "summary": "On tea"}
    return result


if __name__ == "__main__":
    print(anyio.run(tour))
