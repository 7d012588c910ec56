"""What every adapter is held to: a new one joins by its line in `CASES`."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.host.raw_host import accept

Json = dict[str, Any]

Cell = Literal[
    "schemas",
    "results",
    "names",
    "progress",
    "cancel",
    "callers",
    "one run",
    "other arguments",
    "failures",
    "questions",
]
"""A part of the contract; the tests name theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """A tool that asks a person."""

    tool: str
    arguments: Callable[[str], Json]
    answer: Json
    answered: Callable[[str], Any]
    """The text of the result after the answer."""
    before: Json = field(default_factory=dict[str, Any])
    """Model calls before the question, by task; after a crash they are not made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterCase:
    """One adapter's tools in the test projects."""

    name: str
    environment: str
    """Where its tools run; adapters that share one are called in the same process."""
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
    failure: tuple[str, bool] = ("internal", False)
    """Its code, and whether the call may be made again."""
    question: Asks | None
    lacks: Mapping[Cell, str] = field(default_factory=dict[Cell, str])
    """Cells that it can't have, and why."""

    @property
    def is_hosted(self) -> bool:
        """Whether the host program runs it, so that the contract holds on the host's own pipe too."""
        return self.environment in ("crewai", "langgraph", "functions")

    @property
    def asks(self) -> Asks:
        assert self.question is not None
        return self.question


def _six(topic: str) -> Json:
    return {"result": f"t5 about {topic}"}


_GRAPH = AdapterCase(
    name="graph",
    environment="langgraph",
    tool="eight",
    arguments=lambda topic: {"topic": topic},
    result=lambda topic: {"trail": [f"n{place} about {topic}" for place in range(8)]},
    calls={f"n{place}": 1 for place in range(8)},
    held="n3",
    wrong=({}, {"topic": 5}, {"topic": "a", "tpoic": "b"}),
    failing="failing_graph",
    question=Asks(
        tool="payment",
        arguments=lambda topic: {"amount": len(topic)},
        answer=accept(approved=True),
        answered=lambda topic: f'{{"receipt": "pay about {len(topic)}"}}',
    ),
)
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
        question=Asks(
            tool="reviewed",
            arguments=lambda topic: {"topic": topic},
            answer=accept(feedback=""),
            answered=lambda topic: f"final about {topic}",
            before={"draft": 1},
        ),
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
        question=Asks(
            tool="review_flow",
            arguments=lambda topic: {"topic": topic},
            answer=accept(outcome="approved", feedback="nice"),
            answered=lambda topic: f'{{"published": true, "text": "draft about {topic}"}}',
            before={"draft": 1},
        ),
    ),
    _GRAPH,
    replace(_GRAPH, name="graph in process", environment="inprocess"),
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
        question=Asks(
            tool="approve",
            arguments=lambda topic: {"amount": len(topic)},
            answer=accept(approved=True),
            answered=lambda _: "paid",
        ),
    ),
    AdapterCase(
        name="operation",
        environment="openapi",
        tool="work",
        arguments=lambda topic: {"topic": topic},
        result=lambda topic: {"steps": [f"o{place} about {topic}" for place in range(3)]},
        calls={f"o{place}": 1 for place in range(3)},
        held="o1",
        wrong=({}, {"topic": 5}, {"topic": "a", "tpoic": "b"}),
        failing="fail",
        failure=("unavailable", False),
        question=None,
        lacks={
            "progress": "an HTTP answer comes in one piece",
            "other arguments": "the service takes the key, and says what another request under it means",
            "questions": "an HTTP service asks nobody",
        },
    ),
)


def subset(whole: Json, part: Json) -> Json:
    """Give those entries of a result that a case speaks of."""
    return {key: whole.get(key) for key in part}


def counted(calls: Json) -> Counter[str]:
    return Counter({str(task): int(count) for task, count in calls.items()})
