"""The SDK's own clients: 2.x in both eras, and the 1.x that CrewAI brings along."""

import json
import subprocess
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, StdioServerParameters, types
from mcp.client.context import ClientRequestContext

from tests.host.conftest import PROJECTS
from tests.host.raw_host import HostCommand


def _parameters(command: HostCommand) -> StdioServerParameters:
    return StdioServerParameters(command=str(command.python), args=command.arguments(), env=command.environment())


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
@pytest.mark.parametrize(
    ("environment", "tool", "arguments", "answers", "text"),
    [
        ("crewai", "reviewed", {"topic": "sdk"}, [{"feedback": "longer"}, {"feedback": ""}], "final about sdk"),
        (
            "crewai",
            "review_flow",
            {"topic": "sdk"},
            [{"outcome": "rejected"}],
            '{"published": false}',
        ),
        ("crewai", "ask_flow", {}, [{"answer": "Ada"}], "hello Ada"),
        ("langgraph", "payment", {"amount": 3}, [{"approved": False}], '{"receipt": "refused"}'),
        ("functions", "approve", {"amount": 3}, [{"approved": True}], "paid"),
    ],
)
async def test_the_sdks_client_calls_tools_and_answers_their_questions(
    commands: dict[str, HostCommand],
    mode: Literal["auto", "legacy"],
    version: str,
    environment: str,
    tool: str,
    arguments: dict[str, Any],
    answers: list[dict[str, Any]],
    text: str,
) -> None:
    rest = list(answers)

    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content=rest.pop(0))

    with anyio.fail_after(100):
        async with Client(_parameters(commands[environment]), mode=mode, elicitation_callback=answer) as client:
            assert client.protocol_version == version
            assert tool in [one.name for one in (await client.list_tools()).tools]
            result = await client.call_tool(tool, arguments)
    assert isinstance(result, types.CallToolResult)
    assert result.is_error is False
    assert isinstance(result.content[0], types.TextContent)
    assert result.content[0].text == text
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
