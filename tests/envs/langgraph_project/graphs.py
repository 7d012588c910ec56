"""Graphs of every form that an adapter meets; their models live behind one address of the loopback."""

import json
import operator
import os
import urllib.request
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import BaseModel


def served(task: str, topic: str) -> str:
    body = json.dumps({"prompt": f"TASK={task}; TOPIC={topic};", "tools": [], "used_tool": False}).encode()
    request = urllib.request.Request(os.environ["MODEL_URL"], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)["text"]


class ServedChat(BaseChatModel):
    """A chat model that calls its one tool first, then answers with what the tool said."""

    @property
    def _llm_type(self) -> str:
        return "served"

    def bind_tools(self, tools: Any, **more: Any) -> Any:
        return self.bind(tools=[item.name for item in tools], **more)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any) -> ChatResult:
        last = messages[-1]
        served("chat", str(messages[-1].content))
        if isinstance(last, ToolMessage):
            message = AIMessage(content=f"The answer is {last.content}.")
        elif more.get("tools"):
            message = AIMessage(content="", tool_calls=[{"name": "add", "args": {"a": 2, "b": 40}, "id": "c1"}])
        else:
            message = AIMessage(content=f"hello to {last.content}")
        return ChatResult(generations=[ChatGeneration(message=message)])


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def adder() -> Any:
    """A chat agent with a tool."""
    return create_agent(ServedChat(), [add], name="adder")


class Topic(TypedDict):
    topic: str


class Trail(TypedDict):
    trail: list[str]


class Steps(Topic, Trail):
    pass


def eight_nodes() -> Any:
    """Eight nodes in a row, each with one model call."""
    builder = StateGraph(Steps, input_schema=Topic, output_schema=Trail)

    def node(name: str) -> Any:
        def run(state: Steps) -> dict[str, Any]:
            return {"trail": [*state.get("trail", []), served(name, state["topic"])]}

        return run

    names = [f"n{place}" for place in range(8)]
    for name in names:
        builder.add_node(name, node(name))
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    return builder.compile(name="eight")


class In(TypedDict):
    topic: str
    depth: int


class Out(TypedDict):
    report: str
    steps: int


class Research(In, Out):
    notes: Annotated[list[str], operator.add]


@dataclass
class Who:
    user: str = "nobody"


def research() -> Any:
    """Two nodes, static context, progress of its own."""

    async def gather(state: Research, runtime: Runtime[Who]) -> dict[str, Any]:
        write = get_stream_writer()
        for place in range(state["depth"]):
            write({"progress": place + 1, "total": state["depth"], "message": f"note {place + 1}"})
        user = runtime.context.user if runtime.context else "nobody"
        return {"notes": [f"{state['topic']} for {user}"]}

    def write_up(state: Research) -> dict[str, Any]:
        return {"report": "; ".join(state["notes"]), "steps": len(state["notes"])}

    builder = StateGraph(Research, input_schema=In, output_schema=Out, context_schema=Who)
    builder.add_node("gather", gather)
    builder.add_node("write_up", write_up)
    builder.add_edge(START, "gather")
    builder.add_edge("gather", "write_up")
    builder.add_edge("write_up", END)
    return builder


class Approval(BaseModel):
    approved: bool
    note: str | None = None


class Payment(TypedDict):
    amount: int


class Receipt(TypedDict):
    receipt: str


class Paying(Payment, Receipt):
    approved: bool


def payment() -> Any:
    """Asks before it pays."""

    def prepare(state: Paying) -> dict[str, Any]:
        served("prepare", str(state["amount"]))
        return {}

    def approve(state: Paying) -> dict[str, Any]:
        answer = interrupt(f"Pay {state['amount']}?", response_schema=Approval)
        return {"approved": bool(answer["approved"] if isinstance(answer, dict) else answer.approved)}

    def pay(state: Paying) -> dict[str, Any]:
        return {"receipt": served("pay", str(state["amount"])) if state["approved"] else "refused"}

    builder = StateGraph(Paying, input_schema=Payment, output_schema=Receipt)
    for name, step in (("prepare", prepare), ("approve", approve), ("pay", pay)):
        builder.add_node(name, step)
    builder.add_edge(START, "prepare")
    builder.add_edge("prepare", "approve")
    builder.add_edge("approve", "pay")
    builder.add_edge("pay", END)
    return builder.compile(name="payment")


def two_questions() -> Any:
    """Two branches ask at the same time."""

    def asking(name: str) -> Any:
        return lambda state: {"notes": [f"{name}: {interrupt(f'What of {name}?')}"]}

    builder = StateGraph(Research, input_schema=Topic, output_schema=Research)
    for name in ("left", "right"):
        builder.add_node(name, asking(name))
        builder.add_edge(START, name)
        builder.add_edge(name, END)
    return builder.compile(name="two_questions")


def endless() -> Any:
    """Never ends."""
    builder = StateGraph(Steps, input_schema=Topic, output_schema=Trail)
    builder.add_node("again", lambda state: {"trail": []})
    builder.add_edge(START, "again")
    builder.add_edge("again", "again")
    return builder.compile(name="endless")


def failing() -> Any:
    """Fails with a key in the text."""

    def fail(state: Steps) -> dict[str, Any]:
        raise RuntimeError("401 for key sk-MARKER-provider")

    builder = StateGraph(Steps, input_schema=Topic, output_schema=Trail)
    builder.add_node("fail", fail)
    builder.add_edge(START, "fail")
    return builder.compile(name="failing_graph")


def nested() -> Any:
    """A plain node calls a graph of its own, which blocks on the checkpointer from a thread."""
    inner = eight_nodes()
    builder = StateGraph(Steps, input_schema=Topic, output_schema=Trail)
    builder.add_node("call", lambda state: {"trail": inner.invoke({"topic": state["topic"]})["trail"]})
    builder.add_edge(START, "call")
    return builder.compile(name="nested")


def chatty() -> Any:
    """One blocking node that makes many model calls."""

    def many(state: Steps) -> dict[str, Any]:
        model = ServedChat()
        return {"trail": [str(model.invoke(f"{state['topic']} {place}").content) for place in range(50)]}

    builder = StateGraph(Steps, input_schema=Topic, output_schema=Trail)
    builder.add_node("many", many)
    builder.add_edge(START, "many")
    return builder.compile(name="chatty")
