"""The requests in flight on one session, and which of them a server's message belongs to.

On a connection that carries everything at once (stdio, the old SSE transport, the GET stream of Streamable HTTP) a
server's request names no call. It is given to the one call that can have caused it. Where there is more than one, it
waits, and new calls with it, until a single one is left: a question is never shown to somebody else.
"""

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup

from hub.catalog.provider import Json
from hub.upstream.asking import QUESTIONS, answer, error_response
from hub.upstream.exchange import Exchange
from hub.upstream.extension import Extension, find_extension, respond
from hub.upstream.wire import INVALID_REQUEST, METHOD_NOT_FOUND, object_at, params_of

ATTRIBUTION_TIMEOUT_S: Final = 30.0

Notify = Callable[[str, Json], None]
"""Takes a server's notification that belongs to no call: method, params."""


class InFlight:
    """Exchanges by request id, which is their progress token too."""

    def __init__(
        self,
        *,
        tasks: TaskGroup,
        reply: Callable[[Json], Coroutine[None, None, None]],
        notify: Notify,
        logger: logging.Logger,
        extensions: Sequence[Extension] = (),
    ) -> None:
        self.exchanges: dict[int, Exchange] = {}
        self.tasks = tasks
        self._reply = reply
        self._notify = notify
        self._logger = logger
        self._extensions = extensions
        self._questions: dict[int | str, anyio.CancelScope] = {}
        self._unattributed = 0
        self._changed = anyio.Event()

    async def admit(self) -> None:
        """Wait until a new call may be sent: not while a question has no owner yet."""
        while self._unattributed:
            await self._changed.wait()

    def add(self, request_id: int, exchange: Exchange) -> None:
        self.exchanges[request_id] = exchange

    def remove(self, request_id: int) -> None:
        self.exchanges.pop(request_id, None)
        if self._unattributed:
            self._stir()

    def receive(self, message: Json, owner: Exchange | None = None) -> None:
        """Take a server's request or notification.

        Args:
            owner: the call on whose own stream it came, where the transport tells.
        """
        method: object = message.get("method")
        if not isinstance(method, str):
            return
        if "id" not in message:
            self._receive_notification(method, params_of(message), owner)
        elif method == "ping":
            pong: Json = {"jsonrpc": "2.0", "id": message["id"], "result": {}}
            self.tasks.start_soon(self._reply, pong)
        elif (extension := find_extension(self._extensions, method)) is not None:
            self.tasks.start_soon(self._answer, extension, message)
        elif method not in QUESTIONS:
            refusal = error_response(message, METHOD_NOT_FOUND, f"the hub does not answer {method[:64]}")
            self.tasks.start_soon(self._reply, refusal)
        else:
            self.tasks.start_soon(self._ask, message, owner)

    async def _answer(self, extension: Extension, message: Json) -> None:
        await self._reply(await respond(extension, message))

    def _receive_notification(self, method: str, params: Json, owner: Exchange | None) -> None:
        if method == "notifications/progress":
            token: object = params.get("progressToken")
            exchange = self.exchanges.get(token) if isinstance(token, int) else None
            if exchange is not None:
                exchange.pass_on_soon(method, params, self.tasks)
        elif method == "notifications/message":
            for exchange in (owner,) if owner is not None else self._listeners():
                exchange.pass_on_soon(method, params, self.tasks)
        elif method == "notifications/cancelled":
            question: object = params.get("requestId")
            if isinstance(question, int | str) and (scope := self._questions.get(question)) is not None:
                scope.cancel()
        else:
            self._notify(method, params)

    def _listeners(self) -> list[Exchange]:
        """Who hears a log message that names no call: everybody in flight, if that is one and the same identity."""
        exchanges = [exchange for exchange in self.exchanges.values() if exchange.caller is not None]
        identities = {exchange.caller.identity for exchange in exchanges if exchange.caller is not None}
        return exchanges if len(identities) == 1 else []

    async def _ask(self, message: Json, owner: Exchange | None) -> None:
        question_id: int | str = message["id"]
        with anyio.CancelScope() as scope:
            self._questions[question_id] = scope
            try:
                exchange = owner or await self._attribute()
                if exchange is None:
                    text = "no call is in flight that this could belong to"
                    if any(each.caller is not None for each in self.exchanges.values()):
                        text = "the question could not be attributed to one of the calls in flight"
                        self._logger.warning("%s was refused: %s", message["method"], text)
                    response = error_response(message, INVALID_REQUEST, text)
                else:
                    response = await answer(exchange, _without_progress_token(message))
                await self._reply(response)
            finally:
                if self._questions.get(question_id) is scope:
                    del self._questions[question_id]

    def _candidate(self) -> Exchange | None:
        candidates = [exchange for exchange in self.exchanges.values() if exchange.caller is not None]
        if len(candidates) == 1:
            return candidates[0]
        identities = {exchange.caller.identity for exchange in candidates if exchange.caller is not None}
        if len(identities) == 1:
            # One person's calls: one that is already asking waits, so the other must be the one that asks.
            free = [exchange for exchange in candidates if not exchange.held]
            if len(free) == 1:
                return free[0]
        return None

    async def _attribute(self) -> Exchange | None:
        if (candidate := self._candidate()) is not None:
            return candidate
        self._unattributed += 1
        try:
            with anyio.move_on_after(ATTRIBUTION_TIMEOUT_S):
                while any(exchange.caller is not None for exchange in self.exchanges.values()):
                    await self._changed.wait()
                    if (candidate := self._candidate()) is not None:
                        return candidate
            return None
        finally:
            self._unattributed -= 1
            self._stir()

    def _stir(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _without_progress_token(message: Json) -> Json:
    """A question whose own progress nobody will report: the token belongs to another connection."""
    params = object_at(message, "params")
    meta = object_at(params, "_meta")
    if "progressToken" not in meta:
        return message
    rest = {key: value for key, value in meta.items() if key != "progressToken"}
    return {**message, "params": {**params, "_meta": rest}}
