"""What is wrong with a class, a tool or an agent is said where it is written, before anything runs."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from hub import DurableAgent, tool
from hub.errors import InvalidInputError


class Odd:
    """Means nothing as JSON."""


def written(code: str) -> Any:
    """The function of this code, which no type checker would pass."""
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    return namespace["find"]


def odd_parameter(title: str, shelf: list[Odd]) -> str:
    return title


def lock_parameter(title: str, guard: threading.Event) -> str:
    return title


def function_parameter(title: str, order: Callable[[str], int] = len) -> str:
    return title


def odd_result(title: str) -> Odd:
    return Odd()


WRONG_FOR_CERTAIN = [
    (
        written("def find(title): return title"),
        r"tool find: parameter `title` has no type hint; write one, as in `title: str`",
    ),
    (odd_parameter, r"tool odd_parameter: parameter `shelf` has the type list\[.*Odd\], which has no form as JSON"),
    (lock_parameter, r"tool lock_parameter: parameter `guard` has the type Event, which has no form as JSON"),
    (function_parameter, r"tool function_parameter: parameter `order` has the type .*Callable.*no form as JSON; use p"),
    (odd_result, r"tool odd_result: its result: <class '.*Odd'> has no form as JSON"),
]
WRONG_IF_NOTHING_COMES = [
    (
        written("def find(title: str, shelf: 'Nowhere') -> str: ..."),
        r"tool find: the type hint of parameter `shelf` cannot be resolved .*Nowhere.*TYPE_CHECKING",
    ),
    (
        written("def find(title: str) -> 'Nowhere': ..."),
        r"tool find: the type hint of its result cannot be resolved .*Nowhere",
    ),
]


@pytest.mark.parametrize(("fn", "message"), WRONG_FOR_CERTAIN)
def test_a_tool_that_no_model_can_call_is_refused_where_it_is_decorated(fn: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        tool(fn)
    with pytest.raises(InvalidInputError, match=message.partition(":")[0]):
        DurableAgent(tools=[fn])


@pytest.mark.parametrize(("fn", "message"), WRONG_IF_NOTHING_COMES)
def test_a_type_that_never_comes_is_refused_where_the_agent_is_made(fn: Any, message: str) -> None:
    declared = tool(fn)
    with pytest.raises(InvalidInputError, match=message):
        DurableAgent(tools=[declared])


def test_a_method_that_no_model_can_call_is_refused_at_its_class() -> None:
    with pytest.raises(InvalidInputError, match=r"tool Keeper\.keep: parameter `what` has the type Odd, which has no"):

        class Keeper(DurableAgent):  # pyright: ignore[reportUnusedClass]
            @tool
            def keep(self, what: Odd) -> None: ...

    with pytest.raises(InvalidInputError, match=r"durable method Reader\.read: its result: .*Odd"):

        class Reader(DurableAgent):  # pyright: ignore[reportUnusedClass]
            async def read(self, title: str) -> Odd:
                return Odd()


def test_a_tool_of_a_class_that_is_no_agent_is_refused_where_the_agent_is_made() -> None:
    class Keeping:
        @tool
        def keep(self, what: Odd) -> None: ...

    class Keeper(Keeping, DurableAgent): ...

    with pytest.raises(InvalidInputError, match=r"tool Keeping\.keep: parameter `what` has the type Odd"):
        Keeper()


class Shelf(BaseModel):
    books: "list[Book]"


@tool
def tidy(shelf: Shelf, last: "Book") -> "Book":
    """Tidy up.

    Args:
        last: Goes to the end.
    """
    return last


class Book(BaseModel):
    title: str


def test_a_type_may_come_after_the_tool_that_names_it() -> None:
    DurableAgent(tools=[tidy])
    properties = tidy.definition["inputSchema"]["properties"]
    assert properties == {
        "shelf": {"$ref": "#/$defs/Shelf"},
        "last": {"$ref": "#/$defs/Book", "description": "Goes to the end."},
    }


@pytest.mark.parametrize("form", [Odd, 3, Callable[[int], int]])
def test_an_output_type_without_a_schema_is_refused_where_the_agent_is_made(form: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"agent durable_agent: `output_type`: .* has no JSON schema; use a py"):
        DurableAgent(output_type=form)

    class Former(DurableAgent):
        output_type = form

    with pytest.raises(InvalidInputError, match=r"agent former: `output_type`: "):
        Former()
