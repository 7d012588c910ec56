"""`subscriptions/listen`: one standing stream of changes of a modern server, opened again when it drops.

Source: MCP 2026-07-28, basic/patterns/subscriptions.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from anyio.abc import TaskGroup

from hub.catalog.provider import Json
from hub.errors import HubError, RemoteError, UnsupportedError
from hub.upstream.backoff import HEALTHY_AFTER_S, Backoff
from hub.upstream.connection import Hello, Site
from hub.upstream.task_scope import open_tasks, wait_first
from hub.upstream.wire import METHOD_NOT_FOUND

ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
DEBOUNCE_S: Final = 0.05
ACK_TIMEOUT_S: Final = 5.0

OpenStream = Callable[[Json, Callable[[], None]], Awaitable[None]]
"""Sends `subscriptions/listen` with these parameters, calls back at the acknowledgement, returns when it ended."""


class Listening:
    """Keeps the stream open with the filter that is wanted right now."""

    def __init__(self, *, hello: Hello, open_stream: OpenStream, site: Site) -> None:
        self._hello = hello
        self._open_stream = open_stream
        self._site = site
        self._uris: frozenset[str] = frozenset()
        self._task_ids: frozenset[str] = frozenset()
        self._wanted = 0
        self._acknowledged = -1
        self._changed = anyio.Event()
        self._settled = anyio.Event()
        self.supported = True

    async def watch_resources(self, uris: frozenset[str]) -> None:
        """Have exactly these resources watched, from when this returns.

        Raises:
            UnsupportedError: the server has no such stream.
        """
        if uris != self._uris:
            self._uris = uris
            self._want()
        mine = self._wanted
        with anyio.move_on_after(ACK_TIMEOUT_S):
            while self.supported and self._acknowledged < mine:
                await self._settled.wait()
        if not self.supported:
            raise UnsupportedError("the server does not tell changes of resources")

    def watch_tasks(self, task_ids: frozenset[str]) -> None:
        if task_ids != self._task_ids:
            self._task_ids = task_ids
            self._want()

    async def run(self) -> None:
        """Hold the stream until cancelled, or until it turns out that the server has none."""
        backoff = Backoff()
        current: anyio.CancelScope | None = None
        dropped = False
        async with open_tasks() as tasks:
            while self.supported:
                version, changed = self._wanted, self._changed
                stream = _Stream()
                opened = await self._open(tasks, stream)
                if current is not None:
                    current.cancel()
                current = stream.scope
                if opened:
                    self._acknowledged = version
                    self._settle()
                    if dropped:
                        self._tell_that_changes_may_be_lost()
                    dropped = False
                    opened_at = anyio.current_time()
                    await wait_first(stream.ended, changed)
                    if anyio.current_time() - opened_at >= HEALTHY_AFTER_S:
                        backoff.reset()
                if changed.is_set():
                    await anyio.sleep(DEBOUNCE_S)
                elif self.supported:
                    dropped = True
                    with anyio.move_on_after(backoff.next_delay_s()):
                        await changed.wait()

    def _tell_that_changes_may_be_lost(self) -> None:
        """Nothing is replayed after a drop: what was watched is to be fetched again."""
        for capability in ("tools", "prompts", "resources"):
            if self._hello.has_flag(capability, "listChanged"):
                self._site.notify(f"notifications/{capability}/list_changed", {})
        for uri in self._uris:
            self._site.notify("notifications/resources/updated", {"uri": uri})

    def _want(self) -> None:
        self._wanted += 1
        self._changed.set()
        self._changed = anyio.Event()

    def _settle(self) -> None:
        self._settled.set()
        self._settled = anyio.Event()

    def _filter(self) -> Json:
        wanted: Json = {
            f"{capability}ListChanged": True
            for capability in ("tools", "prompts", "resources")
            if self._hello.has_flag(capability, "listChanged")
        }
        if self._uris:
            wanted["resourceSubscriptions"] = sorted(self._uris)
        if self._task_ids:
            wanted["taskIds"] = sorted(self._task_ids)
        return wanted

    async def _open(self, tasks: TaskGroup, stream: "_Stream") -> bool:
        """Start a stream and wait until it is acknowledged or has ended; whether it stands."""
        wanted = self._filter()
        if not wanted:
            return True
        tasks.start_soon(self._hold, wanted, stream)
        await wait_first(stream.acknowledged, stream.ended)
        return stream.acknowledged.is_set() and not stream.ended.is_set()

    async def _hold(self, wanted: Json, stream: "_Stream") -> None:
        try:
            with stream.scope:
                await self._open_stream({"notifications": wanted}, stream.acknowledged.set)
        except RemoteError as error:
            if error.rpc_code == METHOD_NOT_FOUND:
                self.supported = False
                self._settle()
            self._site.logger.info("the stream of changes was refused: error %d", error.rpc_code)
        except HubError as error:
            self._site.logger.info("the stream of changes ended: %s", error)
        finally:
            stream.ended.set()


class _Stream:
    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.acknowledged = anyio.Event()
        self.ended = anyio.Event()
