"""The health checks that the SDK makes over HTTP before its first call."""

import contextlib
from collections.abc import AsyncGenerator, Callable

from aiohttp import web

from .errors import AddressInUseError

PATHS = ("/v1.0/healthz", "/v1.0/healthz/outbound")


@contextlib.asynccontextmanager
async def open_health(host: str, port: int, find_problem: Callable[[], str | None]) -> AsyncGenerator[int]:
    """Serve the health checks; yields the port.

    Args:
        find_problem: says what is wrong, None if nothing is.
    """

    async def check(_request: web.Request) -> web.Response:
        problem = find_problem()
        return web.Response(status=204) if problem is None else web.json_response({"message": problem}, status=500)

    app = web.Application()
    for path in PATHS:
        app.router.add_get(path, check)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise AddressInUseError(f"{host}:{port} cannot be bound ({error.strerror}); is a sidecar there?") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
