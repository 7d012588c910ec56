"""The world around the crash suite, never killed: a model provider and an MCP server that note each call in the ledger.

`python -m tests.durable.crash_world LEDGER_PORT` prints the model and the MCP server's URL as JSON, then serves.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from typing import Any

import anyio
import uvicorn
from mcp import types
from mcp.server.lowlevel import Server

from tests.agentic.model_server import Json, ModelServer, calls, open_model_server, says
from tests.durable.ledger import write_effect
from tests.fixtures.everything_content import text_result
from tests.fixtures.serving import Context
from tests.tooling.ports import LOOPBACK, free_port

GIVE = types.Tool(
    name="give",
    description="Gives a number",
    input_schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
)


def build_server(ledger_port: int) -> Server[Any]:
    """One tool, whose effects have the key that comes with the call."""

    async def list_tools(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[GIVE], ttl_ms=0, cache_scope="public")

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        meta: dict[str, Any] = {**(ctx.meta or {})}
        await write_effect(ledger_port, str(meta.get("hub/idempotencyKey", "a call without a key")))
        return text_result(str((params.arguments or {})["n"]))

    return Server("world", version="1.0.0", on_list_tools=list_tools, on_call_tool=call_tool)


async def answer(models: ModelServer, ledger_port: int, request: Json) -> Any:
    """By what it was told, so that a repeated call gets the same: two tools at once, then one, then their sum."""
    await write_effect(ledger_port, models.headers[-1].get("idempotency-key", "a model call without a key"))
    told = [int(each["content"]) for each in request["messages"] if each["role"] == "tool"]
    if not request.get("tools"):
        move = says(str(request["messages"][-1]["content"]).removeprefix("Say "))
    elif not told:
        move = calls(("world__give", {"n": 4}), ("note", {"n": 3}))
    elif len(told) == 2:
        move = calls(("world__give", {"n": 3}))
    else:
        move = says(str(sum(told)))
    return await move(request)


async def serve(ledger_port: int) -> None:
    async with open_model_server() as models, anyio.create_task_group() as group:
        models.otherwise = lambda request: answer(models, ledger_port, request)
        port = free_port()
        app = build_server(ledger_port).streamable_http_app()
        server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_level="error", access_log=False))
        group.start_soon(server.serve)
        sys.stdout.write(json.dumps({"model": models.model, "mcp": f"http://{LOOPBACK}:{port}/mcp"}) + "\n")
        sys.stdout.flush()


@contextlib.contextmanager
def running_world(ledger_port: int) -> Generator[tuple[str, str]]:
    """The world's process; gives the model's name and the MCP server's URL."""
    command = [sys.executable, "-m", "tests.durable.crash_world", str(ledger_port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        yield told["model"], told["mcp"]
    finally:
        process.stdout.close()
        process.kill()
        process.wait(10)


if __name__ == "__main__":
    anyio.run(serve, int(sys.argv[1]))
