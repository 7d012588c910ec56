"""The matrix client on SDK 2.x, in either era."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
from mcp import Client, types
from mcp.client import ClientRequestContext, IncomingMessage
from mcp.client.subscriptions import Subscription
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from tests.matrix.scenarios import Json, When

Mode = Literal["auto", "legacy"]
LOG_LEVEL: types.LoggingLevel = "info"


class Told:
    """A watch of the handshake era: set by the client's message handler."""

    def __init__(self) -> None:
        self.event = anyio.Event()

    async def wait(self) -> None:
        await self.event.wait()


class Listening:
    """A watch of the stateless era: the next event of the stream."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def wait(self) -> None:
        await anext(self._subscription)


class ClientV2:
    """A connected SDK client that keeps what it was asked and told."""

    def __init__(self, name: str = "Ada") -> None:
        """Args:
        name: what it fills into a form.
        """
        self._name = name
        self.asked: list[str] = []
        self.heard: list[list[object]] = []
        self._client: Client | None = None
        self._watches: dict[str, Told] = {}

    @property
    def client(self) -> Client:
        if self._client is None:
            raise RuntimeError("the client is not open")
        return self._client

    @property
    def is_modern(self) -> bool:
        return self.client.protocol_version in MODERN_PROTOCOL_VERSIONS

    @asynccontextmanager
    async def open(self, url: str, mode: Mode) -> AsyncGenerator[None]:
        """Be connected for as long as the block runs."""
        self._client = Client(
            url,
            mode=mode,
            elicitation_callback=self._elicit,
            sampling_callback=self._sample,
            logging_callback=self._hear,
            log_level=LOG_LEVEL,
            message_handler=self._take,
            cache=None,
        )
        async with self._client:
            yield

    async def tools(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        cursor: str | None = None
        while True:
            page = await self.client.list_tools(cursor=cursor)
            found.update({tool.name: tool.output_schema or {} for tool in page.tools})
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def call(self, tool: str, arguments: Json, steps: list[list[object]] | None = None) -> Json:
        async def step(progress: float, total: float | None, message: str | None) -> None:
            if steps is not None:
                steps.append([progress, total, message])

        callback = step if steps is not None else None
        result = await self.client.call_tool(tool, arguments, progress_callback=callback)
        block = result.content[0]
        return {
            "text": block.text if isinstance(block, types.TextContent) else block.type,
            "isError": result.is_error,
            "structured": result.structured_content,
            "kept": (result.meta or {}).get("matrix/kept"),
        }

    async def call_until(self, tool: str, arguments: Json, when: When) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.call, tool, arguments)
            await when()
            group.cancel_scope.cancel()

    async def want_logs(self, level: str) -> None:
        if self.is_modern:  # the wish stands in each request
            assert level == LOG_LEVEL
            return
        params = types.SetLevelRequestParams.model_validate({"level": level})
        await self.client.session.send_request(types.SetLevelRequest(params=params), types.EmptyResult)

    async def resource_uris(self) -> list[str]:
        return [str(resource.uri) for resource in (await self.client.list_resources()).resources]

    async def read(self, uri: str) -> str:
        contents = (await self.client.read_resource(uri)).contents[0]
        assert isinstance(contents, types.TextResourceContents)
        return contents.text

    @asynccontextmanager
    async def watch_tools(self) -> AsyncGenerator[Told | Listening]:
        if self.is_modern:
            async with self.client.listen(tools_list_changed=True) as subscription:
                yield Listening(subscription)
        else:
            yield self._watches.setdefault("notifications/tools/list_changed", Told())

    @asynccontextmanager
    async def watch_resource(self, uri: str) -> AsyncGenerator[Told | Listening]:
        if self.is_modern:
            async with self.client.listen(resource_subscriptions=[uri]) as subscription:
                yield Listening(subscription)
        else:
            params = types.SubscribeRequestParams(uri=uri)
            await self.client.session.send_request(types.SubscribeRequest(params=params), types.EmptyResult)
            yield self._watches.setdefault(uri, Told())

    async def _elicit(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params.message)
        return types.ElicitResult(action="accept", content={"name": self._name})

    async def _sample(
        self, context: ClientRequestContext, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult:
        prompt = params.messages[0].content
        self.asked.append(prompt.text if isinstance(prompt, types.TextContent) else "not a text")
        words = types.TextContent(text="blue moon")
        return types.CreateMessageResult(role="assistant", content=words, model="test-model", stop_reason="endTurn")

    async def _hear(self, params: types.LoggingMessageNotificationParams) -> None:
        data: Any = params.data
        self.heard.append([params.level, params.logger, data])

    async def _take(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            self._tell(str(message.params.uri))
        elif isinstance(message, types.ToolListChangedNotification):
            self._tell(message.method)

    def _tell(self, what: str) -> None:
        if what in self._watches:
            self._watches[what].event.set()
