"""The SDK's own clients: 2.x in both eras, and the 1.x that CrewAI brings along."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, StdioServerParameters, types
from mcp.client.context import ClientRequestContext

from tests.host.conftest import PROJECTS
from tests.host.raw_host import HostCommand


def _parameters(command: HostCommand) -> StdioServerParameters:
    return StdioServerParameters(command=str(command.python), args=command.arguments(), env=command.environment())


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A tool, the answers to its questions, and the text that comes of them."""

    tool: str
    arguments: dict[str, Any]
    answers: list[dict[str, Any]]
    text: str


CALLS = {
    "crewai": [
        Asked(
            tool="reviewed",
            arguments={"topic": "sdk"},
            answers=[{"feedback": "longer"}, {"feedback": ""}],
            text="final about sdk",
        ),
        Asked(
            tool="review_flow",
            arguments={"topic": "sdk"},
            answers=[{"outcome": "rejected"}],
            text='{"published": false}',
        ),
        Asked(tool="ask_flow", arguments={}, answers=[{"answer": "Ada"}], text="hello Ada"),
    ],
    "langgraph": [
        Asked(tool="payment", arguments={"amount": 3}, answers=[{"approved": False}], text='{"receipt": "refused"}')
    ],
    "functions": [Asked(tool="approve", arguments={"amount": 3}, answers=[{"approved": True}], text="paid")],
}


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
@pytest.mark.parametrize("environment", CALLS)
async def test_the_sdks_client_calls_tools_and_answers_their_questions(
    commands: dict[str, HostCommand], mode: Literal["auto", "legacy"], version: str, environment: str
) -> None:
    rest: list[dict[str, Any]] = []

    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content=rest.pop(0))

    with anyio.fail_after(200):
        async with Client(_parameters(commands[environment]), mode=mode, elicitation_callback=answer) as client:
            assert client.protocol_version == version
            listed = [tool.name for tool in (await client.list_tools()).tools]
            for asked in CALLS[environment]:
                assert asked.tool in listed
                rest.extend(asked.answers)
                result = await client.call_tool(asked.tool, asked.arguments)
                assert isinstance(result, types.CallToolResult)
                assert result.is_error is False
                assert isinstance(result.content[0], types.TextContent)
                assert result.content[0].text == asked.text
                assert rest == []


def test_the_client_of_crewais_own_environment_calls_tools(commands: dict[str, HostCommand]) -> None:
    command = commands["functions"]
    done = subprocess.run(
        [
            str(commands["crewai"].python),
            str(PROJECTS / "crewai_project" / "old_client.py"),
            json.dumps([str(command.python), *command.arguments()]),
        ],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        text=True,
        timeout=100,
    )
    assert json.loads(done.stdout) == {"sum": 3, "color": "RED", "size": "small", "note": None, "tags": ["a"]}
