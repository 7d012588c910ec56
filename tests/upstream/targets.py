"""The servers that the tests of this folder talk to."""

import sys
from pathlib import Path
from typing import Any

from hub.catalog.provider import Answer, Json, Outcome, Questions
from hub.upstream import ServerSettings
from tests.tooling.locks import CHECKOUT

ODD_SERVER = Path(__file__).parent / "programs" / "odd_server.py"


def odd(*flags: str, **settings: Any) -> ServerSettings:
    """A legacy server without any SDK that misbehaves on demand."""
    return ServerSettings(command=sys.executable, args=("-I", "-S", str(ODD_SERVER), *flags), **settings)


def matrix(**settings: Any) -> ServerSettings:
    """A server on SDK 2.x that speaks both eras."""
    arguments = ("-m", "tests.fixtures.matrix_server_v2", "--name", "pipe")
    return ServerSettings(command=sys.executable, args=arguments, cwd=str(CHECKOUT), **settings)


def tool(name: str, **arguments: Any) -> Json:
    return {"name": name, "arguments": arguments}


def text_of(outcome: Outcome) -> str:
    """The text of an answer."""
    assert isinstance(outcome, Answer), outcome
    return str(outcome.body["content"][0]["text"])


def questions_of(outcome: Outcome) -> Json:
    """The questions of an outcome that is no answer yet."""
    assert isinstance(outcome, Questions), outcome
    return outcome.body


def accept(name: str) -> Json:
    return {"action": "accept", "content": {"name": name}}
