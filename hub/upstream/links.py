"""What all upstream servers of one hub share."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from hub.catalog.provider import Json
from hub.upstream.child_process import INHERITED
from hub.upstream.guarding import GroupGuard
from hub.upstream.seal import Seal

if TYPE_CHECKING:
    import aiohttp

# Servers close idle connections after 5 s or later, mostly; letting go before they do avoids the race.
KEEPALIVE_S: Final = 4.0
CONNECT_TIMEOUT_S: Final = 10.0


class Links:
    """One HTTP connection pool, one guard of child processes, one seal, one identity."""

    def __init__(self, *, base_env: Mapping[str, str], seal_key: bytes, version: str) -> None:
        self.identity: Json = {"name": "interop-hub", "version": version}
        self.base_env = {key: base_env[key] for key in INHERITED if key in base_env}
        self.guard = GroupGuard()
        self.seal = Seal(seal_key)
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> "aiohttp.ClientSession":
        """The pool, made when the first HTTP server needs it."""
        if self._http is None:
            import aiohttp  # costs 0.2 s; a hub of stdio servers does not need it

            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                headers={"User-Agent": f"interop-hub/{self.identity['version']}"},
                trust_env=False,
            )
        return self._http

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.close()
        await self.guard.aclose()


@asynccontextmanager
async def open_links(*, base_env: Mapping[str, str], seal_key: bytes, version: str) -> AsyncGenerator[Links]:
    """Open what upstream servers share; close it after the last of them.

    Args:
        base_env: the hub's environment; child processes get a few harmless variables of it.
        seal_key: secret under which parked calls are given to clients; the same key after a restart lets the hub
            take up what it gave out before.
    """
    links = Links(base_env=base_env, seal_key=seal_key, version=version)
    try:
        yield links
    finally:
        await links.aclose()
