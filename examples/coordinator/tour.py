"""One durable run over a crew, a graph and an MCP server: `python -m examples.coordinator.tour`."""

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio

from examples.coordinator.team import build_coordinator
from hub import AgentRunner
from hub.questions import QuestionRecord
from hub.workflows import RunEvent

CALL_STEP = "hub.agents.call_tool"
LONGEST_S = 100.0


async def tour(folder: Path) -> dict[str, str]:
    """Have the run ask its question, end its agent and tools, answer, and check what the run did in its history.

    Returns:
        The note that was kept.
    """
    say("A coordinator has a crew research tea, a graph review the text, and an MCP server keep it.")
    coordinator = build_coordinator(folder / "notes.db")
    async with AgentRunner(coordinator, state_dir=folder / "state") as runner:
        run_id = await runner.start_run(coordinator.write_up, "tea")
        question = await until_asked(runner, run_id)
    say(f"The run waits for a person: {question.question.message}")
    assert question.question.message == "Publish this? All about tea."
    say("Agent, crew, graph and server end here; the answer meets new ones.")

    coordinator = build_coordinator(folder / "notes.db")
    async with AgentRunner(coordinator, state_dir=folder / "state") as runner:
        answer = {"action": "accept", "content": {"approved": True, "remark": "Milk first."}}
        await runner.questions.answer(question.id, answer)
        say(await runner.runs.result(run_id, timeout_s=LONGEST_S))
        history = await runner.runs.history(run_id)
    return check(history)


async def until_asked(runner: AgentRunner, run_id: str) -> QuestionRecord:
    """The run's first question."""
    with anyio.fail_after(LONGEST_S):
        async with contextlib.aclosing(runner.runs.events(run_id)) as events:
            async for _ in events:
                if asked := await runner.questions.list(run_id=run_id):
                    return asked[0]
    raise AssertionError("the run ended without a question")


def check(history: Sequence[RunEvent]) -> dict[str, str]:
    """Check that one run called all three tools, and called again only the one that asked.

    Returns:
        The note that was kept.
    """
    calls: list[tuple[str, str]] = []
    tool = ""
    result: dict[str, Any] = {}
    for event in history:
        if event.kind == "taskScheduled" and event.name == CALL_STEP:
            tool = event.value["params"]["name"]
        elif event.kind == "taskCompleted" and tool:
            ((outcome, result),) = event.value.items()
            calls.append((tool, outcome))
            tool = ""
    say("The run's history has these calls of tools:")
    for number, (name, outcome) in enumerate(calls, 1):
        say(f"  {number}. {name}: {outcome}")
    assert calls == [
        ("research_team", "answer"),
        ("review", "questions"),
        ("review", "answer"),
        ("add_note", "answer"),
    ]
    note = result["structuredContent"]
    kept = {"title": note["title"], "body": note["body"]}
    assert kept == {"title": "On tea", "body": "All about tea. Milk first.\ntea has a past\ntea has a future"}
    return kept


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="coordinator-") as folder:
        say(str(anyio.run(tour, Path(folder))))


if __name__ == "__main__":
    main()
