"""Tells clients of both eras what changed: list changes, updated resources, notifications of tasks."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import MCPError
from mcp.server.connection import Connection
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    SUBSCRIPTION_ID_META_KEY,
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

from hub.catalog.catalog import TASKS_EXTENSION, Catalog
from hub.catalog.provider import Change, Json
from hub.errors import HubError
from hub.gateway.caller import AcknowledgedSession, Context, connection_of, notify

_EVENTS: dict[str, tuple[ServerEvent, str]] = {
    "tools": (ToolsListChanged(), "notifications/tools/list_changed"),
    "prompts": (PromptsListChanged(), "notifications/prompts/list_changed"),
    "resources": (ResourcesListChanged(), "notifications/resources/list_changed"),
}
_BACKLOG = 4096
_TASKS = "notifications/tasks"


class Changes:
    """Carries the catalogue's changes to listen streams (modern) and to sessions (handshake era).

    Source: MCP 2026-07-28, basic/utilities/subscriptions; MCP 2025-11-25, server/resources (subscriptions).
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)
        self._sessions: dict[Connection, Counter[str]] = {}

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Carry changes while open; at the end, streams get their final frame."""
        send, receive = anyio.create_memory_object_stream[Change](_BACKLOG)

        def queue(change: Change) -> None:
            with suppress(
                anyio.WouldBlock, anyio.ClosedResourceError
            ):  # a flood of changes: the last ones say the same
                send.send_nowait(change)

        unwatch = self._catalog.watch(queue)
        async with send, anyio.create_task_group() as group:
            group.start_soon(self._carry, receive)
            try:
                yield
            finally:
                unwatch()
                self._listen.close()
                group.cancel_scope.cancel()

    async def _carry(self, receive: MemoryObjectReceiveStream[Change]) -> None:
        async with receive:
            async for change in receive:
                await self._tell(change)

    async def _tell(self, change: Change) -> None:
        if change.what in _EVENTS:
            event, method = _EVENTS[change.what]
            await self._bus.publish(event)
            for connection in list(self._sessions):
                await connection.outbound.notify(method, None)
        elif change.what == "resource_updated" and change.uri is not None:
            await self._bus.publish(ResourceUpdated(uri=change.uri))
            for connection, uris in list(self._sessions.items()):
                if change.uri in uris:
                    await connection.send_resource_updated(change.uri)
        elif change.what == "notification" and change.message is not None and change.message.get("method") != _TASKS:
            params = cast("Json | None", change.message.get("params"))
            for connection in list(self._sessions):
                await connection.outbound.notify(str(change.message["method"]), params)

    def follow(self, ctx: Context) -> None:
        """Tell a handshake-era session all changes from now on, until it ends."""
        connection = connection_of(ctx)
        if connection in self._sessions or not connection.has_standalone_channel:
            return
        self._sessions[connection] = Counter()
        connection.exit_stack.push_async_callback(self._forget, connection)

    async def _forget(self, connection: Connection) -> None:
        uris = self._sessions.pop(connection, Counter())
        for uri in uris:
            with suppress(HubError):
                await self._catalog.unsubscribe(uri)

    async def subscribe(self, ctx: Context, uri: str) -> None:
        """`resources/subscribe` of a session. Raises: HubError."""
        connection = connection_of(ctx)
        uris = self._sessions.setdefault(connection, Counter())
        if uri not in uris:
            await self._catalog.subscribe(uri)
            uris[uri] = 1

    async def unsubscribe(self, ctx: Context, uri: str) -> None:
        """`resources/unsubscribe` of a session. Raises: HubError."""
        connection = connection_of(ctx)
        uris = self._sessions.get(connection, Counter())
        if uris.pop(uri, 0):
            await self._catalog.unsubscribe(uri)

    async def listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """`subscriptions/listen`: the resources it names are subscribed to at their servers while it lasts."""
        subscribed: list[str] = []
        try:
            for uri in params.notifications.resource_subscriptions or ():
                with suppress(HubError):  # a URI that nobody has is honoured and never fires
                    await self._catalog.subscribe(str(uri))
                    subscribed.append(str(uri))
            return await self._listen_with_tasks(ctx, params)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                for uri in subscribed:
                    with suppress(HubError):
                        await self._catalog.unsubscribe(uri)

    async def _listen_with_tasks(
        self, ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """The SDK's handler knows nothing of `notifications/tasks`: they are put on its stream behind its first frame.

        Source: MCP extension io.modelcontextprotocol/tasks (status notifications).
        """
        capabilities = ctx.session.client_capabilities
        if capabilities is None or TASKS_EXTENSION not in (capabilities.extensions or {}):
            return await self._listen(ctx, params)
        session = AcknowledgedSession(ctx.session)
        send, receive = anyio.create_memory_object_stream[Json](_BACKLOG)

        def queue(change: Change) -> None:
            if change.what == "notification" and change.message is not None:
                with suppress(anyio.WouldBlock, anyio.ClosedResourceError):
                    send.send_nowait(change.message)

        unwatch = self._catalog.watch(queue)
        error: MCPError | None = None
        result = SubscriptionsListenResult()
        async with send, anyio.create_task_group() as group:
            group.start_soon(_pass_on_tasks, ctx, session, receive)
            try:
                result = await self._listen(replace(ctx, session=cast("ServerSession", session)), params)
            except MCPError as refused:
                error = refused
            finally:
                unwatch()
                group.cancel_scope.cancel()
        if error is not None:
            raise error
        return result


async def _pass_on_tasks(ctx: Context, session: AcknowledgedSession, receive: MemoryObjectReceiveStream[Json]) -> None:
    await session.acknowledged.wait()
    async with receive:
        async for message in receive:
            if message.get("method") == _TASKS and ctx.request_id is not None:
                params = cast("Json", message.get("params") or {})
                meta = {**cast("Json", params.get("_meta") or {}), SUBSCRIPTION_ID_META_KEY: ctx.request_id}
                await notify(ctx, _TASKS, {**params, "_meta": meta})
