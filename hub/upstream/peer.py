"""Our side of a duplex connection: requests out, responses in, matched by id.

Shared by stdio and the old HTTP+SSE transport.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.abc import TaskGroup

from hub.catalog.provider import Era, Json
from hub.errors import HubError
from hub.upstream import wire
from hub.upstream.exchange import Exchange
from hub.upstream.extension import Extension, declared
from hub.upstream.in_flight import InFlight, Notify


class Peer:
    """One connection to one server; `era` is set once it is known."""

    def __init__(
        self,
        *,
        send: Callable[[bytes], Awaitable[None]],
        tasks: TaskGroup,
        notify: Notify,
        identity: Json,
        logger: logging.Logger,
        extensions: Sequence[Extension] = (),
    ) -> None:
        self.era: Era = "legacy"
        self._send = send
        self._tasks = tasks
        self._identity = identity
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Json]] = {}
        self._ended: HubError | None = None
        self._logger = logger
        self._extensions = extensions
        self.in_flight = InFlight(
            tasks=tasks, reply=self._send_message, notify=notify, logger=logger, extensions=extensions
        )

    @property
    def busy(self) -> int:
        return len(self._pending)

    def occupied_by_callers(self) -> bool:
        return any(exchange.caller is not None for exchange in self.in_flight.exchanges.values())

    async def request(self, exchange: Exchange) -> Json:
        """Send one request and wait for its result.

        Raises:
            RemoteError: the server answered with an error.
            GarbageError: the server's response is none.
        """
        if exchange.caller is not None:
            await self.in_flight.admit()
        if self._ended is not None:
            raise self._ended
        request_id = next(self._ids)
        if self.era == "modern":
            params = wire.with_envelope(exchange.params, exchange.caller, self._identity, request_id)
            meta: Json = params["_meta"]
            meta[wire.META_CLIENT_CAPABILITIES] = declared(meta[wire.META_CLIENT_CAPABILITIES], self._extensions)
        else:
            params = wire.with_meta(exchange.params, exchange.caller, request_id)
        response = asyncio.get_running_loop().create_future()
        self._pending[request_id] = response
        self.in_flight.add(request_id, exchange)
        try:
            await self._send(wire.encode(wire.request(request_id, exchange.method, params)))
            message = await response
            await exchange.told()
        except asyncio.CancelledError:
            if (
                (response.cancelled() or not response.done())
                and self._ended is None
                and exchange.method != "initialize"
            ):
                reason = "timeout" if exchange.timed_out else "cancelled"
                note = wire.notification("notifications/cancelled", {"requestId": request_id, "reason": reason})
                self._tasks.start_soon(self._send_message, note)
            raise
        finally:
            del self._pending[request_id]
            self.in_flight.remove(request_id)
        return wire.result_of(message)

    async def notify(self, method: str, params: Json | None = None) -> None:
        await self._send(wire.encode(wire.notification(method, params)))

    def receive(self, message: Json) -> None:
        """Take one message from the server; never waits."""
        if "method" in message:
            self.in_flight.receive(message)
            return
        request_id: object = message.get("id")
        response = self._pending.get(request_id) if isinstance(request_id, int) else None
        if response is not None and not response.done():
            response.set_result(message)

    def fail_one(self, request_id: int, error: HubError) -> bool:
        """End one request with an error; whether it is in flight."""
        exchange = self.in_flight.exchanges.get(request_id)
        if exchange is not None:
            exchange.fail(error)
        return exchange is not None

    def end(self, error: HubError) -> None:
        """The connection is gone: every request in flight ends with `error`, and every later one."""
        self._ended = error
        for exchange in tuple(self.in_flight.exchanges.values()):
            exchange.fail(error)

    async def _send_message(self, message: Json) -> None:
        """Send what nobody waits for."""
        if self._ended is None:
            try:
                with anyio.move_on_after(30):
                    await self._send(wire.encode(message))
            except HubError as error:
                self._logger.info("a message was not delivered: %s", error)


async def ask_once(peer: Peer, method: str, params: Json, timeout_s: float) -> Json:
    """A request of the hub's own."""
    return await Exchange(method, params, None, timeout_s).run(peer.request)
