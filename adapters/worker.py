"""One process of a host: started by the first call, stopped when nobody has called for a while."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from hub.upstream import Extension, Links, ServerSettings, UpstreamServer, open_upstream

GRACE_S = 10.0


class Worker:
    """Its `run` lives as long as the provider."""

    def __init__(
        self,
        *,
        name: str,
        settings: ServerSettings,
        links: Links,
        log_path: Path | None,
        extension: Extension,
        idle_s: float,
        on_change: Callable[[], None],
    ) -> None:
        self.settings = settings
        """For the next start."""
        self.users = 0
        self._name = name
        self._links = links
        self._log_path = log_path
        self._extension = extension
        self._idle_s = idle_s
        self._on_change = on_change
        self._server: UpstreamServer | None = None
        self._wanted = anyio.Event()
        self._up = anyio.Event()
        self._changed = anyio.Event()
        self._retired = False

    @property
    def is_up(self) -> bool:
        return self._server is not None

    async def run(self) -> None:
        """Start the process whenever it is wanted."""
        while True:
            await self._wanted.wait()
            self._retired = False
            async with open_upstream(
                self._name,
                self.settings,
                links=self._links,
                log_path=self._log_path,
                grace_s=GRACE_S,
                extensions=(self._extension,),
            ) as server:
                self._server = server
                self._up.set()
                self._on_change()
                try:
                    await self._wait_idle()
                finally:
                    self._server = None
                    self._up, self._wanted = anyio.Event(), anyio.Event()
                    self._on_change()

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[UpstreamServer]:
        """The running process, kept running meanwhile."""
        self.users += 1
        self._tell()
        try:
            while self._server is None:
                self._wanted.set()
                await self._up.wait()
            server = self._server
            await server.settled()
            yield server
        finally:
            self.users -= 1
            self._tell()

    def retire(self) -> None:
        """Stop the process once nobody uses it; the next call starts it anew."""
        self._retired = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _wait_idle(self) -> None:
        while True:
            if self.users:
                await self._changed.wait()
                continue
            if self._retired:
                return
            with anyio.move_on_after(self._idle_s) as waiting:
                await self._changed.wait()
            if waiting.cancelled_caught and not self.users:
                return
