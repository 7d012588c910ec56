"""Tell clients of both protocol eras what changed."""

from collections.abc import Iterable

import anyio
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated
from mcp.types import EmptyResult, SubscribeRequestParams, UnsubscribeRequestParams

from mcp_servers.toolset import RequestContext

_SLOW_CLIENT_S = 1.0


class ChangeFeed:
    """Tells of changed resources: modern clients by their `subscriptions/listen` streams, legacy ones on their session.

    Source: MCP 2026-07-28, basic/utilities/subscriptions; MCP 2025-11-25, server/resources, subscriptions.
    """

    def __init__(self) -> None:
        self._bus = InMemorySubscriptionBus()
        self._sessions: dict[Connection, set[str]] = {}
        """Legacy sessions, and the URIs that each has subscribed to."""
        self.listen = ListenHandler(self._bus)

    async def subscribe(self, context: RequestContext, params: SubscribeRequestParams) -> EmptyResult:
        self._subscribed(context).add(str(params.uri))
        return EmptyResult()

    async def unsubscribe(self, context: RequestContext, params: UnsubscribeRequestParams) -> EmptyResult:
        self._subscribed(context).discard(str(params.uri))
        return EmptyResult()

    async def track(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        """Middleware that remembers legacy sessions from the end of their handshake to their own end."""
        result = await call_next(ctx)
        if ctx.method == "notifications/initialized":
            self._subscribed(ctx)
        return result

    async def resources_changed(self, *, updated: Iterable[str], listed: bool) -> None:
        """Tell which resources have new contents, and whether the list of resources is another one.

        A client that does not read misses the message after a second; it holds up nobody else for longer.
        """
        uris = sorted(set(updated))
        for uri in uris:
            await self._bus.publish(ResourceUpdated(uri=uri))
        if listed:
            await self._bus.publish(ResourcesListChanged())
        async with anyio.create_task_group() as tasks:
            for session, subscribed in self._sessions.items():
                wanted = [uri for uri in uris if uri in subscribed]
                if wanted or listed:
                    tasks.start_soon(_tell, session, wanted, listed)

    def _subscribed(self, context: RequestContext) -> set[str]:
        # The SDK has no public way from a request to its connection, the only thing that lives as long as a session.
        connection = context.session._connection  # pyright: ignore[reportPrivateUsage]
        if connection not in self._sessions:
            self._sessions[connection] = set()
            connection.exit_stack.callback(self._sessions.pop, connection, None)
        return self._sessions[connection]


async def _tell(session: Connection, uris: list[str], listed: bool) -> None:
    with anyio.move_on_after(_SLOW_CLIENT_S):
        for uri in uris:
            await session.send_resource_updated(uri)
        if listed:
            await session.send_resource_list_changed()


class ChangingServer(Server):
    """A server that announces its change messages to legacy clients too; the SDK asks for that at each session."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, object]] | None = None,
        extensions: dict[str, dict[str, object]] | None = None,
    ) -> InitializationOptions:
        return super().create_initialization_options(
            notification_options or NotificationOptions(resources_changed=True), experimental_capabilities, extensions
        )
