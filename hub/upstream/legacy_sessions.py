"""The sessions that the hub holds at one legacy HTTP server: one for each set of capabilities that callers declare."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import anyio
from anyio.abc import TaskGroup
from yarl import URL

from hub.catalog.provider import Caller, Json
from hub.errors import RemoteError
from hub.upstream.connection import HandshakeError, Site, refused
from hub.upstream.http_wire import RejectedError
from hub.upstream.in_flight import Notify
from hub.upstream.legacy_session import LegacySession

MAX_SESSIONS: Final = 8


class LegacySessions:
    """Opened when first needed; the idle one that was not used for longest makes room."""

    def __init__(self, *, site: Site, url: URL, tasks: TaskGroup) -> None:
        self._site = replace(site, notify=_but_changes(site.notify))
        self._url = url
        self._tasks = tasks
        self._sessions: OrderedDict[str, LegacySession] = OrderedDict()
        self._opening = anyio.Lock()
        self._freed = anyio.Event()

    @property
    def busy(self) -> int:
        return sum(session.busy for session in self._sessions.values())

    @asynccontextmanager
    async def use(self, caller: Caller) -> AsyncGenerator[LegacySession]:
        """The session in which the hub declared exactly what the caller can do.

        Raises:
            HandshakeError: the server refuses the handshake.
            UpstreamDownError: it is not there.
        """
        key = hashlib.sha256(json.dumps(caller.capabilities, sort_keys=True).encode()).hexdigest()
        session = self._sessions.get(key)
        if session is None:
            session = await self._open(key, caller.capabilities)
        session.users += 1
        self._sessions.move_to_end(key)
        try:
            yield session
        finally:
            session.users -= 1
            if not session.users:
                self._freed.set()
                self._freed = anyio.Event()

    async def close(self) -> None:
        """End all sessions at the server."""
        async with anyio.create_task_group() as closing:
            for session in self._sessions.values():
                closing.start_soon(session.close)
        self._sessions.clear()

    async def _open(self, key: str, capabilities: Json) -> LegacySession:
        async with self._opening:
            if (session := self._sessions.get(key)) is not None:
                return session
            while len(self._sessions) >= MAX_SESSIONS:
                idle = next((name for name, session in self._sessions.items() if not session.users), None)
                if idle is None:
                    await self._freed.wait()
                    continue
                await self._sessions.pop(idle).close()
            session = LegacySession(site=self._site, url=self._url, capabilities=capabilities, tasks=self._tasks)
            try:
                await session.open()
            except RemoteError as error:
                raise refused(error) from error
            except RejectedError as error:
                if error.status in (401, 403, 407) or error.status >= 500:
                    raise
                raise HandshakeError(str(error)) from error
            self._sessions[key] = session
            return session


def _but_changes(notify: Notify) -> Notify:
    """Changes are told by the connection's own session or stream; each further session would tell them again."""

    def filtered(method: str, params: Json) -> None:
        if not method.endswith("/list_changed") and method != "notifications/resources/updated":
            notify(method, params)

    return filtered
