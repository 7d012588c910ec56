"""A crew of three roles that researches a topic; the model is offline unless MODEL names another one."""

import os
import re
from typing import Any

from crewai import Agent, BaseLLM, Crew, Task
from pydantic import BaseModel


class Report(BaseModel):
    """What the crew hands in."""

    topic: str
    findings: list[str]
    summary: str


class OfflineModel(BaseLLM):
    """Answers each role from its task alone, always the same."""

    llm_type: str = "offline"

    def supports_function_calling(self) -> bool:
        return False

    def get_context_window_size(self) -> int:
        return 100_000

    def get_input_tokens_count(self, messages: Any, tools: Any = None, response_model: Any = None) -> int:
        return len(str(messages)) // 4

    def call(self, messages: Any, *arguments: Any, **more: Any) -> Any:
        text = messages if isinstance(messages, str) else "\n".join(str(message.get("content")) for message in messages)
        topic = (re.findall(r"<<(.+?)>>", text) or ["nothing"])[-1]
        if "[hand in]" in text:
            report = Report(
                topic=topic, findings=[f"{topic} has a past", f"{topic} has a future"], summary=f"On {topic}"
            )
            return report if more.get("response_model") is Report else report.model_dump_json()
        return f"Final Answer: {topic} has a past and a future."


def crew() -> Crew:
    """Research a topic: one finds facts, one checks them, one writes the report."""
    model = os.environ.get("MODEL") or OfflineModel(model="offline")
    researcher = Agent(role="researcher", goal="Find facts on {topic}", backstory="Curious.", llm=model)
    checker = Agent(role="checker", goal="Doubt what is said", backstory="Careful.", llm=model)
    writer = Agent(role="writer", goal="Write for busy people", backstory="Brief.", llm=model)
    find = Task(name="find", description="Find facts on <<{topic}>>.", expected_output="facts", agent=researcher)
    check = Task(
        name="check",
        description="Check the facts on <<{topic}>>.",
        expected_output="facts",
        agent=checker,
        context=[find],
    )
    write = Task(
        name="write",
        description="[hand in] Write the report on <<{topic}>>.",
        expected_output="a report",
        agent=writer,
        context=[check],
        output_pydantic=Report,
    )
    return Crew(name="research_team", agents=[researcher, checker, writer], tasks=[find, check, write])
