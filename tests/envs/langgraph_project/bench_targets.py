"""A graph of two nodes that do nothing, for measuring; run alone, it measures bare invocations."""

import asyncio
import json
import sys
import time
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class Text(TypedDict):
    text: str


def bench_graph(*, checkpointer: Any = None) -> Any:
    builder = StateGraph(Text)
    builder.add_node("one", lambda state: {"text": state["text"] + "1"})
    builder.add_node("two", lambda state: {"text": state["text"] + "2"})
    builder.add_edge(START, "one")
    builder.add_edge("one", "two")
    builder.add_edge("two", END)
    return builder.compile(checkpointer=checkpointer, name="bench")


async def main() -> None:
    graph = bench_graph(checkpointer=InMemorySaver())
    spent: list[float] = []
    for number in range(int(sys.argv[1])):
        started = time.perf_counter()
        await graph.ainvoke({"text": "a"}, {"configurable": {"thread_id": str(number)}})
        spent.append(time.perf_counter() - started)
    print(json.dumps(spent))


if __name__ == "__main__":
    asyncio.run(main())
