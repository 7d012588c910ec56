"""The SDK's client of MCP servers: `DaprMCPClient` lists a server's tools, and a workflow a tool calls it.

Dapr serves the workflows `dapr.internal.mcp.<server>.…` itself where an `MCPServer` resource names the server. The
embedded sidecar has no such resources and reserves no names, so there a worker serves the same workflows.
"""

import json
import sys
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import dapr.ext.workflow as wf
import pytest
from dapr.ext.workflow.aio import DaprMCPClient as AsyncMCPClient
from dapr.ext.workflow.aio import DaprWorkflowClient as AsyncWorkflowClient
from mcp import Client
from mcp.server.lowlevel import Server
from mcp.types import CallToolResult

from hub.app.dapr_programs import HOST
from mcp_servers.notes.server import build_server
from mcp_servers.notes.store import NoteStore
from tests.sidecar.conftest import PROGRAMS
from tests.sidecar.processes import DaprApi, running_sidecar
from tests.sidecar.scenario import Scenario, open_scenario, output_of
from tests.sidecar.workflows import running_runtime
from tests.tooling.dapr import prepared_dapr, start_dapr
from tests.tooling.locks import CHECKOUT

KINDS = ["embedded", *([pytest.param("daprd", marks=pytest.mark.daprd)] if PROGRAMS is not None else [])]

_MCP_SERVER = """\
apiVersion: dapr.io/v1alpha1
kind: MCPServer
metadata: {{name: notes}}
spec:
  endpoint:
    stdio:
      command: {command}
      args: {args}
      env: [{{name: PYTHONPATH, value: {path}}}]
"""


def calling(context: Any, arguments: dict[str, Any]) -> Generator[Any, Any, Any]:
    """A workflow of an app that calls a tool as a child."""
    tool = "dapr.internal.mcp.notes.CallTool.add_note"
    return (yield context.call_child_workflow(tool, input={"arguments": arguments}))


@contextmanager
def dapr_with_notes(folder: Path) -> Generator[DaprApi]:
    """Dapr's own programs, and the notes server as a resource."""
    assert PROGRAMS is not None
    with prepared_dapr(PROGRAMS, folder) as setup, ExitStack() as stack:
        args = ["-m", "mcp_servers.notes", "--db", str(folder / "notes.db")]
        resource = _MCP_SERVER.format(
            command=json.dumps(sys.executable), args=json.dumps(args), path=json.dumps(str(CHECKOUT))
        )
        (setup.resources / "notes.yaml").write_text(resource)
        start_dapr(stack, setup)
        stack.enter_context(running_runtime(HOST, setup.ports.grpc, {"calling": calling}))
        yield DaprApi(kind="daprd-sqlite", host=HOST, grpc_port=setup.ports.grpc, http_port=setup.ports.http)


@contextmanager
def embedded_with_notes(folder: Path) -> Generator[DaprApi]:
    """The embedded sidecar, and a worker with the workflows that Dapr has for such a resource."""
    with ExitStack() as stack:
        store = stack.enter_context(closing(NoteStore.open(folder / "notes.db")))
        api = stack.enter_context(running_sidecar(folder / "sidecar.db")).api
        stack.enter_context(running_runtime(api.host, api.grpc_port, *_as_dapr_has_them(build_server(store))))
        yield api


def _as_dapr_has_them(server: Server) -> tuple[dict[str, Any], dict[str, Any]]:
    """Workflows and activities by name."""

    async def list_tools(_context: Any, _value: None) -> Any:
        async with Client(server) as client:
            return (await client.list_tools()).model_dump(mode="json", by_alias=True, exclude_none=True)

    async def add_note(_context: Any, arguments: dict[str, Any]) -> Any:
        async with Client(server) as client:
            result = await client.call_tool("add_note", arguments)
            return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    def listing(context: Any, _value: object) -> Generator[Any, Any, Any]:
        return (yield context.call_activity("list_tools"))

    def adding(context: Any, value: dict[str, Any]) -> Generator[Any, Any, Any]:
        return (yield context.call_activity("add_note", input=value["arguments"]))

    workflows = {
        "calling": calling,
        "dapr.internal.mcp.notes.ListTools": listing,
        "dapr.internal.mcp.notes.CallTool.add_note": adding,
    }
    return workflows, {"list_tools": list_tools, "add_note": add_note}


@pytest.fixture(scope="module", params=KINDS)
def with_notes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[DaprApi]:
    folder = tmp_path_factory.mktemp("notes")
    with (embedded_with_notes if request.param == "embedded" else dapr_with_notes)(folder) as api:
        yield api


@pytest.fixture
def notes(with_notes: DaprApi) -> Generator[Scenario]:
    with open_scenario(with_notes.host, with_notes.grpc_port) as scenario:
        yield scenario


def _client_of(scenario: Scenario, **settings: Any) -> wf.DaprMCPClient:
    return wf.DaprMCPClient(wf_client=scenario.client, timeout_in_seconds=20, **settings)


def test_the_tools_of_a_server_are_listed_with_their_schemas(notes: Scenario) -> None:
    client = _client_of(notes)
    client.connect("notes")
    tools = {tool.name: tool for tool in client.get_all_tools()}
    assert {"add_note", "search_notes", "delete_note"} <= tools.keys()
    adding = tools["add_note"]
    assert (adding.server_name, adding.call_tool_workflow) == ("notes", "dapr.internal.mcp.notes.CallTool.add_note")
    assert {"title", "body", "tags"} == adding.input_schema["properties"].keys()
    assert client.get_connected_servers() == ["notes"]


async def test_the_asynchronous_client_keeps_to_the_tools_it_may_use(with_notes: DaprApi) -> None:
    workflows: Any = AsyncWorkflowClient(host=with_notes.host, port=str(with_notes.grpc_port))
    try:
        client = AsyncMCPClient(timeout_in_seconds=20, allowed_tools={"add_note"}, wf_client=workflows)
        await client.connect("notes")
        assert [tool.name for tool in client.get_server_tools("notes")] == ["add_note"]
    finally:
        await workflows._DaprWorkflowClient__obj.aclose()  # the SDK's class lends its channel, and closes it nowhere


def test_a_tool_is_called_by_its_workflow(notes: Scenario) -> None:
    client = _client_of(notes, allowed_tools={"add_note"})
    client.connect("notes")
    [tool] = client.get_all_tools()
    result = CallToolResult.model_validate(notes.output(tool.call_tool_workflow, {"arguments": {"title": "Tides"}}))
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["title"] == "Tides"


def test_a_workflow_calls_a_tool_as_its_child(notes: Scenario) -> None:
    result = CallToolResult.model_validate(notes.output("calling", {"title": "Moon"}))
    assert result.structured_content is not None
    assert result.structured_content["title"] == "Moon"


def test_arguments_that_do_not_fit_are_an_answer_of_the_tool(notes: Scenario) -> None:
    state = notes.run("calling", {"title": ""})
    assert state.runtime_status == wf.WorkflowStatus.COMPLETED
    assert CallToolResult.model_validate(output_of(state)).is_error


def test_a_server_that_is_not_there_is_told(notes: Scenario) -> None:
    with pytest.raises(RuntimeError, match=r"MCPServer 'nowhere' ended with status 'FAILED'"):
        _client_of(notes).connect("nowhere")
