"""A crew of two agents whose model answers at once, for measuring; run alone, it measures bare kickoffs."""

import asyncio
import json
import sys
import time
from typing import Any

from crewai import Agent, BaseLLM, Crew, Task
from crewai.tools import tool


class InstantModel(BaseLLM):
    """One tool call where there is a tool, then an answer."""

    llm_type: str = "instant"

    def supports_function_calling(self) -> bool:
        return True

    def get_context_window_size(self) -> int:
        return 100_000

    def get_input_tokens_count(self, messages: Any, tools: Any = None, response_model: Any = None) -> int:
        return 10

    def call(self, messages: Any, tools: Any = None, *_: Any, **__: Any) -> Any:
        if tools and not any(message.get("role") == "tool" for message in messages):
            return [
                {"id": "c", "type": "function", "function": {"name": "count_words", "arguments": '{"text": "a b"}'}}
            ]
        return "done"


@tool("count_words")
def count_words(text: str) -> str:
    """Count the words of a text."""
    return str(len(text.split()))


def bench_crew() -> Crew:
    model = InstantModel(model="instant")
    first = Agent(role="{topic} researcher", goal="facts", backstory="careful", llm=model, tools=[count_words])
    second = Agent(role="writer", goal="write", backstory="brief", llm=model)
    research = Task(name="research", description="Research {topic}.", expected_output="facts", agent=first)
    write = Task(
        name="write", description="Write on {topic}.", expected_output="a text", agent=second, context=[research]
    )
    return Crew(name="bench", agents=[first, second], tasks=[research, write])


async def main() -> None:
    spent: list[float] = []
    for _ in range(int(sys.argv[1])):
        started = time.perf_counter()
        await bench_crew().akickoff(inputs={"topic": "sun"})
        spent.append(time.perf_counter() - started)
    print(json.dumps(spent), file=sys.__stdout__)


if __name__ == "__main__":
    asyncio.run(main())
