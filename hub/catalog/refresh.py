"""Keeps one section's definitions true: fetched once a provider is ready, again after each change it tells."""

import logging
from collections.abc import Callable

import anyio

from hub.catalog.provider import Change, Kind
from hub.catalog.section import KINDS, Section
from hub.errors import HubError

log = logging.getLogger(__name__)

_RETRY_S = 5.0


class Refresher:
    """Follows one provider; `run` lives until `stop`."""

    def __init__(
        self,
        section: Section,
        refreshed: Callable[[Kind], None],
        passed_on: Callable[[Section, Change], None],
    ) -> None:
        self.section = section
        self.settled = anyio.Event()
        """Set once the provider was listed or is down."""
        self._refreshed = refreshed
        self._passed_on = passed_on
        self._due: set[Kind] = set()
        self._wake = anyio.Event()
        self._scope = anyio.CancelScope()
        self._was_ready = False

    def stop(self) -> None:
        self.settled.set()
        self._scope.cancel()

    async def run(self) -> None:
        """Fetch what is due until stopped."""
        unwatch = self.section.provider.watch(self._changed)
        try:
            with self._scope:
                self._look_at_state()
                while True:
                    await self._wake.wait()
                    self._wake = anyio.Event()
                    await self._fetch_due()
        finally:
            unwatch()

    def _changed(self, change: Change) -> None:
        if change.what in KINDS:
            self._due.add(change.what)
            if change.what == "resources":
                self._due.add("templates")
            self._wake.set()
        else:
            if change.what == "state":
                self._look_at_state()
            self._passed_on(self.section, change)

    def _look_at_state(self) -> None:
        phase = self.section.provider.state.phase
        is_ready = phase == "ready"
        if is_ready and not self._was_ready:
            self._due.update(KINDS)
            self._wake.set()
        elif phase in ("down", "stopped"):
            self.settled.set()
        self._was_ready = is_ready

    async def _fetch_due(self) -> None:
        failed: set[Kind] = set()
        while self._due:
            kind = min(self._due, key=KINDS.index)
            self._due.discard(kind)
            try:
                found = await self.section.provider.list(kind)
            except HubError as error:
                log.warning("%s could not list its %s: %s", self.section.name, kind, error)
                failed.add(kind)
                continue
            self.section.definitions[kind] = found
            self._refreshed(kind)
        if failed and self._was_ready:
            with anyio.move_on_after(_RETRY_S):
                await self._wake.wait()
            self._due |= failed
            self._wake.set()
        self.settled.set()
