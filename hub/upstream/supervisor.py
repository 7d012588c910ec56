"""Keeping one connection to a server open: start it, watch it, start it again when it ends."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from hub.catalog.provider import Era, Phase
from hub.errors import HubError, UpstreamDownError
from hub.upstream.backoff import HEALTHY_AFTER_S, Backoff
from hub.upstream.connection import Connection, NotReachedError, Site
from hub.upstream.opening import open_connection
from hub.upstream.task_scope import wait_first
from hub.upstream.wire import GarbageError

SOON_S: Final = 1.0
"""A next try within this time counts as a restart under way."""

CHECKED_S: Final = 0.5
"""How long a passed check counts: a server that fails call after call is not asked as often how it is."""

PROBES: Final = 2
"""Starts with a probe that may fail before one without it is tried in between."""


class Supervisor:
    """One actor: it owns the connection, everybody else only borrows it."""

    def __init__(
        self,
        *,
        build_site: Callable[[Era | None], Site],
        hint: Era | None,
        is_program: bool,
        on_ready: Callable[["Supervisor"], None],
        on_change: Callable[[], None],
        logger: logging.Logger,
    ) -> None:
        self.phase: Phase = "starting"
        self.since = datetime.now(UTC)
        self.problem: str | None = None
        self.next_try_at: datetime | None = None
        self.connection: Connection | None = None
        self.settled = anyio.Event()
        """Set once the first try has ended, well or not."""
        self._build_site = build_site
        self._hint: Era | None = hint
        self._is_program = is_program
        self._on_ready = on_ready
        self._on_change = on_change
        self._logger = logger
        self._failed_starts = 0
        self._suspicion = anyio.Event()
        self._changed = anyio.Event()

    async def run(self) -> None:
        backoff = Backoff()
        while True:
            self._enter("starting", self.problem)
            started_at = anyio.current_time()
            reason = await self._try()
            if anyio.current_time() - started_at >= HEALTHY_AFTER_S:
                backoff.reset()
            delay_s = backoff.next_delay_s()
            self.next_try_at = datetime.now(UTC) + timedelta(seconds=delay_s)
            self._logger.warning("down: %s; next try in %.1f s", reason, delay_s)
            self._enter("down", reason)
            self.settled.set()
            await anyio.sleep(delay_s)

    def suspect(self) -> None:
        """Something went wrong in a call: have the connection checked."""
        self._suspicion.set()

    @property
    def standing(self) -> Connection | None:
        """The connection, unless it has just ended."""
        connection = self.connection
        return None if connection is None or connection.ended.is_set() else connection

    @property
    def is_restarting(self) -> bool:
        """Whether a connection may stand within moments."""
        if self.phase == "starting" or (self.phase == "ready" and self.standing is None):
            return True
        return (
            self.phase == "down"
            and self.next_try_at is not None
            and self.next_try_at - datetime.now(UTC) <= timedelta(seconds=SOON_S)
        )

    async def wait_changed(self) -> None:
        await self._changed.wait()

    async def _try(self) -> str:
        """Open the connection and stay with it; why it ended."""
        try:
            return await self._attend()
        except HubError as error:
            self._reconsider_era(error)
            return str(error)
        except Exception:
            self._logger.exception("the connection failed in a way that the hub did not expect")
            return "the hub could not talk to it; see the hub's log"
        finally:
            self.connection = None

    def _reconsider_era(self, error: HubError) -> None:
        """A start failed. What was remembered may be wrong; and a program may not survive the probe."""
        self._failed_starts += 1
        can_skip = self._is_program and self._failed_starts >= PROBES and self._hint is None
        if not isinstance(error, NotReachedError):
            self._hint = "legacy" if can_skip else None

    async def _attend(self) -> str:
        site = self._build_site(self._hint)
        timeout_s = site.settings.start_timeout_s
        with anyio.CancelScope(deadline=anyio.current_time() + timeout_s) as start:
            async with open_connection(site) as connection:
                start.deadline = float("inf")
                self._welcome(connection)
                return await self._watch(connection)
        raise UpstreamDownError(f"it did not finish its start within {timeout_s:g} s (`start_timeout_s`)")

    def _welcome(self, connection: Connection) -> None:
        self._hint = connection.hello.era
        self._failed_starts = 0
        self._suspicion = anyio.Event()
        self.connection = connection
        self.next_try_at = None
        self._logger.info("ready: %s era, version %s", connection.hello.era, connection.hello.protocol_version)
        self._on_ready(self)
        self._enter("ready", None)
        self.settled.set()

    async def _watch(self, connection: Connection) -> str:
        try:
            while not connection.ended.is_set():
                await wait_first(connection.ended, self._suspicion)
                if self._suspicion.is_set() and not connection.ended.is_set():
                    self._suspicion = anyio.Event()
                    await connection.check()
                    with anyio.move_on_after(CHECKED_S):
                        await connection.ended.wait()
            return connection.describe_end()
        except (HubError, GarbageError) as error:
            self._logger.info("the check failed: %s", error)
            return str(error) if isinstance(error, UpstreamDownError) else "it gives no sign of life"
        finally:
            self.connection = None

    def _enter(self, phase: Phase, problem: str | None) -> None:
        if phase == "ready" or not (self.phase in ("down", "starting") and self.problem is not None):
            self.since = datetime.now(UTC)
        self.phase = phase
        self.problem = problem
        self._changed.set()
        self._changed = anyio.Event()
        self._on_change()
