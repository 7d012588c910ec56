"""A graph that drafts a text and has a person review it before it is published."""

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel, Field


class Wish(TypedDict):
    """What comes in."""

    topic: str


class Published(TypedDict):
    """What comes out."""

    text: str
    approved: bool


class State(Wish, Published):
    """What the nodes share."""


class Verdict(BaseModel):
    """The reviewer's answer."""

    approved: bool = Field(description="Whether the text may be published")
    remark: str = Field(default="", description="What to add at the end")


def draft(state: State) -> dict[str, Any]:
    """Write a first version."""
    return {"text": f"All about {state['topic']}."}


def review(state: State) -> dict[str, Any]:
    """Ask a person; the run waits as long as that takes, over restarts too."""
    verdict = Verdict.model_validate(interrupt(f"Publish this? {state['text']}", response_schema=Verdict))
    text = f"{state['text']} {verdict.remark}".strip()
    return {"text": text, "approved": verdict.approved}


def build() -> Any:
    """Draft a text on a topic and have it reviewed."""
    builder = StateGraph(State, input_schema=Wish, output_schema=Published)
    builder.add_node("draft", draft)
    builder.add_node("review", review)
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "review")
    builder.add_edge("review", END)
    return builder.compile(name="review")
