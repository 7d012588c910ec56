"""One hub in front of the five servers of the matrix, and the client on SDK 1.x."""

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.programs import open_fixture
from tests.matrix.scenarios import Json
from tests.tooling.environments import sdk_environment
from tests.tooling.hubs import RunningHub, open_hub
from tests.tooling.locks import CHECKOUT

SDK_1 = "1.30.0"
V1 = "tests.envs.matrix_server_v1"
V2 = "tests.fixtures.matrix_server_v2"
POOLED = "sdk1-pool"
"""An old stdio server that the hub runs twice."""
END_S = 10.0

ObserveV1 = Callable[[str, str], Json]
"""(server, feature) -> what the client on SDK 1.x saw."""


@pytest.fixture(scope="package")
def matrix_hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningHub]:
    """A hub with the five servers behind it, under their own prefixes."""
    folder = tmp_path_factory.mktemp("matrix")
    python_v1 = sdk_environment(SDK_1)
    with ExitStack() as stack:

        def serve(name: str, module: str, python: str | Path, *arguments: str, path: str = "/mcp") -> str:
            options = ["--name", name, *arguments]
            log = folder / f"{name}.log"
            return stack.enter_context(open_fixture(module, log, python=python, arguments=options, path=path))

        servers: dict[str, dict[str, Any]] = {
            "sdk1-stdio": _stdio(python_v1, V1, "sdk1-stdio"),
            POOLED: {**_stdio(python_v1, V1, POOLED), "sessions": 2},
            "sdk1-http": {"url": serve("sdk1-http", V1, python_v1, "--transport", "http")},
            "sdk1-sse": {
                "url": serve("sdk1-sse", V1, python_v1, "--transport", "sse", path="/sse"),
                "transport": "sse",
            },
            "sdk2-stdio": _stdio(sys.executable, V2, "sdk2-stdio"),
            "sdk2-http": {"url": serve("sdk2-http", V2, sys.executable)},
        }
        # JSON is YAML.
        yield stack.enter_context(open_hub(folder, json.dumps({"servers": servers}, indent=2)))


@pytest.fixture(scope="package")
def observe_v1(matrix_hub: RunningHub) -> Generator[ObserveV1]:
    """The client on SDK 1.x, in its own environment."""
    with (matrix_hub.folder / "client-v1.log").open("wb") as log:
        process = subprocess.Popen(
            [sdk_environment(SDK_1), "-m", "tests.envs.matrix_client_v1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=CHECKOUT,
            text=True,
        )

    def observe(server: str, feature: str) -> Json:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the client has no pipes")
        process.stdin.write(json.dumps({"url": matrix_hub.url, "server": server, "feature": feature}) + "\n")
        process.stdin.flush()
        answer: Json = json.loads(process.stdout.readline())
        if "problem" in answer:
            pytest.fail(answer["problem"])
        return answer["observed"]

    with process:
        yield observe
        if process.stdin is not None:
            process.stdin.close()
        process.wait(END_S)


def _stdio(python: str | Path, module: str, name: str) -> dict[str, Any]:
    return {"command": str(python), "args": ["-m", module, "--name", name], "cwd": str(CHECKOUT)}
