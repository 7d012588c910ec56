"""The server of the matrix on SDK 1.x; runs in an environment of its own and imports nothing of the project.

`--name NAME` goes into its resource's URI; `--transport http|sse --port N` serves over the network, else stdio.
"""

import argparse
import contextlib

import anyio
import mcp.types as types
import uvicorn
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

PATIENCE_S = 10.0


def schema(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


NUMBER = {"type": "number"}
STRING = {"type": "string"}
TOOLS = [
    types.Tool(name="add", description="Adds", inputSchema=schema(a=NUMBER, b=NUMBER), outputSchema=schema(sum=NUMBER)),
    types.Tool(name="fail", description="Fails on purpose", inputSchema=schema()),
    types.Tool(name="count", description="Reports progress", inputSchema=schema(to={"type": "integer"})),
    types.Tool(name="hang", description="Goes on until it is cancelled", inputSchema=schema(tag=STRING)),
    types.Tool(name="started", description="Waits for the start of a hang", inputSchema=schema(tag=STRING)),
    types.Tool(name="cancelled", description="Waits for the end of a hang", inputSchema=schema(tag=STRING)),
    types.Tool(name="speak", description="Logs at three levels", inputSchema=schema()),
    types.Tool(name="ask_name", description="Asks the user", inputSchema=schema()),
    types.Tool(name="ask_model", description="Asks the client's model", inputSchema=schema()),
    types.Tool(name="grow", description="Adds a tool", inputSchema=schema()),
    types.Tool(name="touch", description="Changes the note", inputSchema=schema()),
]


class MatrixServer(Server):
    """A lowlevel server that says that its lists change and that its resources can be subscribed to."""

    def get_capabilities(self, notification_options, experimental_capabilities):
        every_list = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        capabilities = super().get_capabilities(every_list, experimental_capabilities)
        capabilities.resources.subscribe = True
        return capabilities


class Matrix:
    """What the server does, whatever its transport."""

    def __init__(self, name):
        self.uri = f"matrix://{name}/note"
        self.revision = 0
        self.grown = []
        self.sessions = []
        self.subscribers = []
        self.marks = {}

    def mark(self, what, tag):
        return self.marks.setdefault((what, tag), anyio.Event())

    async def wait_for(self, what, tag):
        with anyio.move_on_after(PATIENCE_S):
            await self.mark(what, tag).wait()
            return text(f"{what} {tag}")
        return text(f"never {what} {tag}")

    def list_tools(self):
        return [*TOOLS, *self.grown]

    async def call(self, context, name, arguments):
        session = context.session
        if session not in self.sessions:
            self.sessions.append(session)
        match name:
            case "add":
                total = arguments["a"] + arguments["b"]
                return types.CallToolResult(
                    content=[types.TextContent(type="text", text=f"{total:g}")],
                    structuredContent={"sum": total},
                    _meta={"matrix/kept": "yes"},
                )
            case "fail":
                return types.CallToolResult(content=[types.TextContent(type="text", text="no")], isError=True)
            case "count":
                token = context.meta.progressToken if context.meta else None
                for done in range(1, arguments["to"] + 1):
                    if token is not None:
                        await session.send_progress_notification(
                            token, done, arguments["to"], f"step {done}", related_request_id=str(context.request_id)
                        )
                return text("counted")
            case "hang":
                self.mark("started", arguments["tag"]).set()
                try:
                    await anyio.sleep_forever()
                finally:
                    self.mark("cancelled", arguments["tag"]).set()
            case "started" | "cancelled":
                return await self.wait_for(name, arguments["tag"])
            case "speak":
                for level in ("debug", "info", "warning"):
                    await session.send_log_message(
                        level, {"said": level}, logger="matrix", related_request_id=context.request_id
                    )
                return text("spoken")
            case "ask_name":
                answer = await session.elicit_form("Your name?", schema(name=STRING), context.request_id)
                return text(f"{answer.action} {(answer.content or {}).get('name')}")
            case "ask_model":
                question = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="Two words?"))
                answer = await session.create_message([question], max_tokens=10, related_request_id=context.request_id)
                return text(f"{answer.model} {answer.content.text}")
            case "grow":
                new = f"grown_{len(self.grown)}"
                self.grown.append(types.Tool(name=new, description="Grown", inputSchema=schema()))
                await self.tell(self.sessions, lambda each: each.send_tool_list_changed())
                return text(new)
            case "touch":
                self.revision += 1
                await self.tell(self.subscribers, lambda each: each.send_resource_updated(self.uri))
                return text(f"note {self.revision}")
        return types.CallToolResult(content=[types.TextContent(type="text", text=f"no tool {name}")], isError=True)

    async def tell(self, sessions, send):
        for session in list(sessions):
            try:
                await send(session)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                sessions.remove(session)


def text(value):
    return types.CallToolResult(content=[types.TextContent(type="text", text=value)])


def build_server(name):
    matrix = Matrix(name)
    server = MatrixServer(f"matrix-{name}", version="1.0.0")

    @server.list_tools()
    async def list_tools():
        return matrix.list_tools()

    @server.call_tool(validate_input=False)
    async def call_tool(name, arguments):
        return await matrix.call(server.request_context, name, arguments)

    @server.list_resources()
    async def list_resources():
        remember(server.request_context.session)
        return [types.Resource(uri=matrix.uri, name="note", mimeType="text/plain")]

    async def read_resource(request):
        contents = types.TextResourceContents(
            uri=request.params.uri, mimeType="text/plain", text=f"note {matrix.revision}"
        )
        return types.ServerResult(types.ReadResourceResult(contents=[contents]))

    server.request_handlers[types.ReadResourceRequest] = read_resource

    @server.subscribe_resource()
    async def subscribe(_uri):
        matrix.subscribers.append(server.request_context.session)

    @server.unsubscribe_resource()
    async def unsubscribe(_uri):
        with contextlib.suppress(ValueError):
            matrix.subscribers.remove(server.request_context.session)

    @server.set_logging_level()
    async def set_level(_level):
        remember(server.request_context.session)

    def remember(session):
        if session not in matrix.sessions:
            matrix.sessions.append(session)

    return server


async def serve_stdio(server):
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


def http_app(server):
    manager = StreamableHTTPSessionManager(app=server)

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        async with manager.run():
            yield

    class Endpoint:
        async def __call__(self, scope, receive, send):
            await manager.handle_request(scope, receive, send)

    return Starlette(routes=[Route("/mcp", endpoint=Endpoint())], lifespan=lifespan)


def sse_app(server):
    transport = SseServerTransport("/messages/")

    async def connect(request):
        async with transport.connect_sse(request.scope, request.receive, request._send) as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())
        return Response()

    return Starlette(routes=[Route("/sse", endpoint=connect), Mount("/messages/", app=transport.handle_post_message)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--transport", choices=["stdio", "http", "sse"], default="stdio")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    server = build_server(options.name)
    if options.transport == "stdio":
        anyio.run(serve_stdio, server)
    else:
        app = http_app(server) if options.transport == "http" else sse_app(server)
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
