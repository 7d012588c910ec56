"""What every adapter is held to: a new one joins by its line in `CASES`."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.host.raw_host import accept

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterCase:
    """One adapter's tools in the test projects."""

    name: str
    environment: str
    tool: str
    arguments: Callable[[str], Json]
    """Arguments by topic."""
    result: Callable[[str], Json]
    """What stands in the structured result, by topic."""
    calls: Json
    """Model calls of one run, by task."""
    held: str
    """A task in the middle, at whose call a run is held back."""
    wrong: tuple[Json, ...]
    """Arguments that fit no schema."""
    failing: str
    """A tool that raises with a key in the text."""
    asking: str
    """A tool that asks a person."""
    asking_arguments: Callable[[str], Json]
    answer: Json
    answered: Callable[[str], Any]
    """The text of the result after the answer."""
    before_the_question: Json
    """Model calls before the question, by task; after a crash they are not made again."""


def _six(topic: str) -> Json:
    return {"result": f"t5 about {topic}"}


CASES = (
    AdapterCase(
        name="crew",
        environment="crewai",
        tool="report",
        arguments=lambda topic: {"topic": topic, "audience": "kids"},
        result=lambda topic: {"result": {"topic": topic, "words": len(topic.split()), "summary": f"on {topic}"}},
        calls={"research": 2, "write": 1},
        held="research",
        wrong=({}, {"topic": 5, "audience": "kids"}, {"topic": "a", "audience": "b", "tpoic": "c"}),
        failing="failing",
        asking="reviewed",
        asking_arguments=lambda topic: {"topic": topic},
        answer=accept(feedback=""),
        answered=lambda topic: f"final about {topic}",
        before_the_question={"draft": 1},
    ),
    AdapterCase(
        name="flow",
        environment="crewai",
        tool="crew_flow",
        arguments=lambda topic: {"topic": topic},
        result=_six,
        calls={f"t{place}": 1 for place in range(6)},
        held="t2",
        wrong=({"topic": 5}, {"tpoic": "c"}),
        failing="failing_flow",
        asking="review_flow",
        asking_arguments=lambda topic: {"topic": topic},
        answer=accept(outcome="approved", feedback="nice"),
        answered=lambda topic: f'{{"published": true, "text": "draft about {topic}"}}',
        before_the_question={"draft": 1},
    ),
    AdapterCase(
        name="graph",
        environment="langgraph",
        tool="eight",
        arguments=lambda topic: {"topic": topic},
        result=lambda topic: {"trail": [f"n{place} about {topic}" for place in range(8)]},
        calls={f"n{place}": 1 for place in range(8)},
        held="n3",
        wrong=({}, {"topic": 5}, {"topic": "a", "tpoic": "b"}),
        failing="failing_graph",
        asking="payment",
        asking_arguments=lambda topic: {"amount": len(topic)},
        answer=accept(approved=True),
        answered=lambda topic: f'{{"receipt": "pay about {len(topic)}"}}',
        before_the_question={},
    ),
    AdapterCase(
        name="function",
        environment="functions",
        tool="three_steps",
        arguments=lambda topic: {"topic": topic},
        result=lambda topic: {"result": [f"f{place} about {topic}" for place in range(3)]},
        calls={f"f{place}": 1 for place in range(3)},
        held="f1",
        wrong=({}, {"topic": 5}, {"topic": "a", "tpoic": "b"}),
        failing="fail",
        asking="approve",
        asking_arguments=lambda topic: {"amount": len(topic)},
        answer=accept(approved=True),
        answered=lambda _: "paid",
        before_the_question={},
    ),
)


def subset(whole: Json, part: Json) -> Json:
    """Give those entries of a result that a case speaks of."""
    return {key: whole.get(key) for key in part}


def counted(calls: Json) -> Counter[str]:
    return Counter({str(task): int(count) for task, count in calls.items()})
