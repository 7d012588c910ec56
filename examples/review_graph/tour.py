"""Call the graph through a hub, answer its question: `python -m examples.review_graph.tour`."""

import os
from pathlib import Path

import anyio

from hub.app import open_target
from hub.catalog.provider import Answer, Json, Questions
from hub.cli.terminal import Terminal
from hub.config import Places, load_config

CONFIG = Path(__file__).with_name("hub.yaml")


async def tour() -> Json:
    """Ask for a text and let it pass; between question and answer every process ends."""
    params: Json = {"name": "review", "arguments": {"topic": "tea"}}
    caller = Terminal(version="1", log_level=None, quiet=True)
    loaded, places = load_config(CONFIG, os.environ), Places.of(CONFIG)
    async with open_target(loaded, places) as target:
        asked = await target.catalog.call_tool(params, caller)
    assert isinstance(asked, Questions), asked
    ((key, question),) = asked.body["inputRequests"].items()
    assert question["params"]["message"] == "Publish this? All about tea."

    answer: Json = {"action": "accept", "content": {"approved": True, "remark": "Milk first."}}
    again = {**params, "inputResponses": {key: answer}, "requestState": asked.body["requestState"]}
    async with open_target(loaded, places) as target:
        outcome = await target.catalog.call_tool(again, caller)
    assert isinstance(outcome, Answer), outcome
    result: Json = outcome.body["structuredContent"]
    assert result == {"text": "All about tea. Milk first.", "approved": True}, outcome.body
    return result


if __name__ == "__main__":
    print(anyio.run(tour))
