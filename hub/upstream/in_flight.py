"""The requests in flight on one session, and which of them a server's message belongs to.

On a connection that carries everything at once (stdio, the old SSE transport, the GET stream of Streamable HTTP) a
server's request names no call. It is given to the one call that can have caused it. Where there is more than one, it
waits, and new calls with it, until a single one is left: a question is never shown to somebody else. Only where all
calls are one person's, the likeliest of them gets it after a moment.
"""

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup

from hub.catalog.provider import Json
from hub.upstream.asking import QUESTIONS, answer, can_be_asked, error_response
from hub.upstream.exchange import Exchange
from hub.upstream.extension import Extension, find_extension, respond
from hub.upstream.wire import INVALID_REQUEST, METHOD_NOT_FOUND, object_at, params_of

ATTRIBUTION_TIMEOUT_S: Final = 30.0
ONE_PERSON_S: Final = 1.0
"""How long a question waits for its owner when all calls in flight are one person's; then the likeliest gets it."""

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
        self._askers: set[tuple[str, str]] = set()
        """Method and name of what is known to ask."""
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
        exchanges = self._callers()
        return exchanges if len(_identities(exchanges)) == 1 else []

    async def _ask(self, message: Json, owner: Exchange | None) -> None:
        question_id: int | str = message["id"]
        with anyio.CancelScope() as scope:
            self._questions[question_id] = scope
            try:
                exchange = owner or await self._attribute()
                if exchange is None:
                    text = "no call is in flight that this could belong to"
                    if self._callers():
                        text = "the question could not be attributed to one of the calls in flight"
                        self._logger.warning("%s was refused: %s", message["method"], text)
                    response = error_response(message, INVALID_REQUEST, text)
                else:
                    response = await answer(exchange, _without_progress_token(message))
                await self._reply(response)
            finally:
                if self._questions.get(question_id) is scope:
                    del self._questions[question_id]

    def _callers(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges.values() if exchange.caller is not None]

    def _candidate(self) -> Exchange | None:
        """The one call that can have asked, if it is known."""
        candidates = self._callers()
        if len(candidates) == 1:
            return candidates[0]
        if len(_identities(candidates)) != 1:
            return None
        # One person's calls: one that is already asking waits, so another must be the one that asks.
        free = [exchange for exchange in candidates if not exchange.held]
        if len(free) == 1:
            return free[0]
        known = [exchange for exchange in free if exchange.target in self._askers]
        return known[0] if len(known) == 1 else None

    def _likeliest(self) -> Exchange | None:
        """Of one person's calls the one that most likely asked: whoever is shown the question may answer it.

        The answer goes back to the question, not to the call, so a wrong guess costs a moment of wonder and no more.
        """
        candidates = self._callers()
        if len(_identities(candidates)) != 1:
            return None
        return min(candidates, key=self._unlikeliness)

    def _unlikeliness(self, exchange: Exchange) -> tuple[bool, bool, bool]:
        cannot_answer = exchange.caller is None or not can_be_asked(exchange.caller)
        return cannot_answer, exchange.held, exchange.target not in self._askers

    async def _attribute(self) -> Exchange | None:
        self._unattributed += 1
        try:
            exchange = await self._known_owner(ONE_PERSON_S) or self._likeliest()
            if exchange is None:
                exchange = await self._known_owner(ATTRIBUTION_TIMEOUT_S)
        finally:
            self._unattributed -= 1
            self._stir()
        if exchange is not None and len(self._callers()) == 1 and exchange.target is not None:
            self._askers.add(exchange.target)
        return exchange

    async def _known_owner(self, timeout_s: float) -> Exchange | None:
        with anyio.move_on_after(timeout_s):
            while self._callers():
                if (candidate := self._candidate()) is not None:
                    return candidate
                await self._changed.wait()
        return None

    def _stir(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _identities(exchanges: list[Exchange]) -> set[str]:
    return {exchange.caller.identity for exchange in exchanges if exchange.caller is not None}


def _without_progress_token(message: Json) -> Json:
    """A question whose own progress nobody will report: the token belongs to another connection."""
    params = object_at(message, "params")
    meta = object_at(params, "_meta")
    if "progressToken" not in meta:
        return message
    rest = {key: value for key, value in meta.items() if key != "progressToken"}
    return {**message, "params": {**params, "_meta": rest}}
