"""The matrix client on SDK 1.x, in an environment of its own.

Reads jobs from its standard input, one JSON object a line (`url`, `server`, `feature`); answers each with one line:
`observed`, or `problem`.
"""

import contextlib
import json
import sys

import anyio
import mcp.types as types
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

from tests.matrix.scenarios import observe


class Told:
    def __init__(self):
        self.event = anyio.Event()

    async def wait(self):
        await self.event.wait()


class ClientV1:
    """A connected SDK client that keeps what it was asked and told."""

    def __init__(self):
        self.asked = []
        self.heard = []
        self.watches = {}
        self.session = None

    @contextlib.asynccontextmanager
    async def open(self, url):
        async with (
            streamable_http_client(url) as (reader, writer, _),
            ClientSession(
                reader,
                writer,
                elicitation_callback=self.elicit,
                sampling_callback=self.sample,
                logging_callback=self.hear,
                message_handler=self.take,
            ) as self.session,
        ):
            await self.session.initialize()
            yield self

    async def tools(self):
        found = {}
        cursor = None
        while True:
            page = await self.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
            found.update({tool.name: tool.outputSchema or {} for tool in page.tools})
            cursor = page.nextCursor
            if cursor is None:
                return found

    async def call(self, tool, arguments, steps=None):
        async def step(done, total, message):
            steps.append([done, total, message])

        callback = step if steps is not None else None
        result = await self.session.call_tool(tool, arguments, progress_callback=callback)
        return {
            "text": result.content[0].text,
            "isError": result.isError,
            "structured": result.structuredContent,
            "kept": (result.meta or {}).get("matrix/kept"),
        }

    async def call_until(self, tool, arguments, when):
        request_id = None

        async def call():
            nonlocal request_id
            request_id = self.session._request_id  # this SDK has no public way to cancel a request
            await self.call(tool, arguments)

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await when()
            params = types.CancelledNotificationParams(requestId=request_id, reason="no longer wanted")
            await self.session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
            group.cancel_scope.cancel()

    async def want_logs(self, level):
        await self.session.set_logging_level(level)

    async def resource_uris(self):
        return [str(resource.uri) for resource in (await self.session.list_resources()).resources]

    async def read(self, uri):
        return (await self.session.read_resource(AnyUrl(uri))).contents[0].text

    @contextlib.asynccontextmanager
    async def watch_tools(self):
        yield self.watches.setdefault("tools", Told())

    @contextlib.asynccontextmanager
    async def watch_resource(self, uri):
        await self.session.subscribe_resource(AnyUrl(uri))
        yield self.watches.setdefault(uri, Told())

    async def elicit(self, _context, params):
        self.asked.append(params.message)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def sample(self, _context, params):
        self.asked.append(params.messages[0].content.text)
        words = types.TextContent(type="text", text="blue moon")
        return types.CreateMessageResult(role="assistant", content=words, model="test-model", stopReason="endTurn")

    async def hear(self, params):
        self.heard.append([params.level, params.logger, params.data])

    async def take(self, message):
        match message:
            case types.ServerNotification(root=types.ToolListChangedNotification()):
                self.tell("tools")
            case types.ServerNotification(root=types.ResourceUpdatedNotification() as updated):
                self.tell(str(updated.params.uri))

    def tell(self, what):
        if what in self.watches:
            self.watches[what].event.set()


async def run(job):
    client = ClientV1()
    async with client.open(job["url"]):
        return await observe(job["feature"], client, job["server"])


def main():
    for line in sys.stdin:
        try:
            answer = {"observed": anyio.run(run, json.loads(line))}
        except Exception as error:  # noqa: BLE001  # the boundary of the program: the test tells it
            answer = {"problem": f"{error!r} {getattr(error, 'exceptions', '')}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
