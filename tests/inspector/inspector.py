"""MCP Inspector's command line: an independent client, on the TypeScript SDK."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.tooling.node import node, node_environment, npm_package

PACKAGE = "@modelcontextprotocol/inspector"
VERSION = "2.12.0"
RUN_TIMEOUT_S = 60
SCHEMA_PROBLEMS = 6
"""Exit status of `--strict` when a schema has an error."""

Era = Literal["legacy", "modern"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One finished run."""

    status: int
    output: str
    problems: str

    @property
    def result(self) -> dict[str, Any]:
        """The method's result."""
        if self.status != 0:
            raise AssertionError(f"the inspector ended with {self.status}: {self.problems}")
        answer: dict[str, Any] = json.loads(self.output)["result"]
        return answer


def inspect(url: str, era: Era, home: Path, *arguments: str) -> Finished:
    """Run one method against a server over Streamable HTTP.

    Args:
        home: a folder of its own; the inspector keeps files there.
        arguments: `--method NAME` and what it takes.
    """
    program = npm_package(PACKAGE, VERSION) / "clients" / "launcher" / "build" / "index.js"
    target = ["--server-url", url, "--transport", "http", "--protocol-era", era, "--format", "json"]
    finished = subprocess.run(
        [node(), program, "--cli", *target, *arguments],
        env={**node_environment(), "HOME": str(home), "MCP_CATALOG_PATH": str(home / "catalog.json")},
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    return Finished(status=finished.returncode, output=finished.stdout, problems=finished.stderr)
