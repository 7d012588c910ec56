"""Opening a connection over whichever transport a server has."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from hub.errors import UpstreamDownError
from hub.upstream.connection import Connection, Site
from hub.upstream.stdio import open_stdio


@asynccontextmanager
async def open_connection(site: Site) -> AsyncGenerator[Connection]:
    """Open, negotiate, and close on the way out.

    Raises:
        UpstreamDownError: no connection came about; the message says why and what to look at.
    """
    async with AsyncExitStack() as stack:
        if site.settings.kind == "stdio":
            yield await stack.enter_async_context(open_stdio(site))
        else:
            yield await _enter_http(site, stack)


async def _enter_http(site: Site, stack: AsyncExitStack) -> Connection:
    # The HTTP library takes 0.2 s to load; a hub of stdio servers does without.
    from hub.upstream.http_connection import open_http
    from hub.upstream.http_wire import RejectedError
    from hub.upstream.old_sse import open_sse

    if site.settings.kind == "sse":
        return await stack.enter_async_context(open_sse(site))
    try:
        return await stack.enter_async_context(open_http(site))
    except RejectedError as error:
        # Source: MCP 2025-11-25, basic/transports, backwards compatibility: a 4xx may mean the old transport.
        if site.settings.transport is not None or site.pinned == "modern" or error.status not in (400, 404, 405):
            raise
        try:
            return await stack.enter_async_context(open_sse(site))
        except UpstreamDownError:
            raise error from None
