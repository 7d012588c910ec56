"""Plain functions of every form that an adapter meets; they need nothing but the standard library."""

import asyncio
import dataclasses
import enum
import json
import os
import urllib.request
from collections.abc import Callable
from typing import Annotated, Any, Literal


def served(task: str, topic: str) -> str:
    """Ask the model server."""
    body = json.dumps({"prompt": f"TASK={task}; TOPIC={topic};", "tools": [], "used_tool": False}).encode()
    request = urllib.request.Request(os.environ["MODEL_URL"], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)["text"]


async def three_steps(topic: str, progress: Callable[..., None]) -> list[str]:
    """Make three model calls."""
    found: list[str] = []
    for place in range(3):
        progress(place + 1, 3, f"step {place + 1}")
        found.append(await asyncio.to_thread(served, f"f{place}", topic))
    return found


def approve(amount: int, ask: Callable[..., Any]) -> str:
    """Ask before paying."""
    answer = ask(
        f"Pay {amount}?", {"type": "object", "properties": {"approved": {"type": "boolean"}}, "required": ["approved"]}
    )
    return "paid" if answer["approved"] else "refused"


def fail(topic: str) -> str:
    """Fail with a key in the text."""
    raise RuntimeError("401 for key sk-MARKER-provider")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


def shapes(
    point: Point,
    color: Color,
    size: Literal["small", "big"] = "small",
    note: Annotated[str | None, "Anything to add"] = None,
    tags: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Take arguments of many types."""
    return {"sum": point.x + point.y, "color": color.name, "size": size, "note": note, "tags": list(tags)}


def noisy() -> str:
    """Print, and read standard input."""
    print("noise")
    os.write(1, b"more noise\n")
    try:
        return input("prompt: ")
    except EOFError:
        return "nobody there"


def point_of(x: int) -> Point:
    """Give an object."""
    return Point(x=x, y=float("nan"))  # type: ignore[arg-type]
