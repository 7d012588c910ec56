"""Programs are started well while gRPC is busy in the same process."""

import json
import os
import subprocess
import sys

import pytest

from hub import forking
from tests.process.forking_program import PROGRAMS_EACH, STARTERS


def run(first: str, **variables: str) -> object:
    environment = {name: value for name, value in os.environ.items() if name != forking.VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "tests.process.forking_program", first],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("first", "variables", "loop"),
    [
        ("hub", {}, "uvloop"),
        ("grpc", {}, "asyncio"),
        ("grpc", {forking.VARIABLE: "false"}, "uvloop"),
        ("hub", {forking.VARIABLE: "1"}, "asyncio"),
    ],
)
def test_every_program_starts_and_no_call_is_cut(first: str, variables: dict[str, str], loop: str) -> None:
    assert run(first, **variables) == {"loop": loop, "outcomes": {"a program: 0": STARTERS * PROGRAMS_EACH}}
