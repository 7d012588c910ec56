"""The connections to one server, and which of them a call takes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import anyio

from hub.catalog.provider import ProviderState
from hub.errors import UpstreamDownError
from hub.upstream.connection import Connection
from hub.upstream.supervisor import Supervisor

RESTART_WAIT_S: Final = 5.0
_BEST_FIRST: Final = ("ready", "starting", "down", "stopped")


class Fleet:
    """One supervisor for each process of the server, or one for its address."""

    def __init__(self, server_name: str, supervisors: Sequence[Supervisor]) -> None:
        self.supervisors = supervisors
        self._server_name = server_name

    @property
    def state(self) -> ProviderState:
        """How the best of them is."""
        shown = min(self.supervisors, key=lambda each: _BEST_FIRST.index(each.phase))
        hello = shown.connection.hello if shown.connection is not None else None
        if hello is None:
            return ProviderState(
                phase=shown.phase, since=shown.since, next_try_at=shown.next_try_at, problem=shown.problem
            )
        return ProviderState(
            phase=shown.phase,
            since=shown.since,
            era=hello.era,
            protocol_version=hello.protocol_version,
            server_info=hello.server_info,
            capabilities=hello.capabilities,
            instructions=hello.instructions,
        )

    @property
    def standing(self) -> Sequence[Connection]:
        return [connection for each in self.supervisors if (connection := each.standing) is not None]

    async def connection(self) -> Connection:
        """The least busy connection that stands; waits for one that is just coming back.

        Raises:
            UpstreamDownError: none is there.
        """
        if len(self.supervisors) == 1 and (only := self.supervisors[0].standing) is not None:
            return only
        if (connection := self._least_busy()) is not None:
            return connection
        with anyio.move_on_after(RESTART_WAIT_S):
            while restarting := [each for each in self.supervisors if each.is_restarting]:
                await restarting[0].wait_changed()
                if (connection := self._least_busy()) is not None:
                    return connection
        raise UpstreamDownError(self._describe_down())

    def suspect(self, connection: Connection) -> None:
        """Have a connection checked on which a call went wrong."""
        for supervisor in self.supervisors:
            if supervisor.connection is connection:
                supervisor.suspect()

    def _least_busy(self) -> Connection | None:
        return min(self.standing, key=lambda connection: connection.busy, default=None)

    def _describe_down(self) -> str:
        state = self.state
        if state.phase == "starting" and state.problem is None:
            return f"server {self._server_name} is still starting; try again in a moment"
        text = f"server {self._server_name} is down since {state.since:%H:%M:%S} UTC: {state.problem}"
        if state.next_try_at is not None:
            wait_s = max(1, round((state.next_try_at - datetime.now(UTC)).total_seconds()))
            text += f"; next try in {wait_s} s"
        return text
