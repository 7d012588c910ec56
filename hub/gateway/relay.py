"""Every request of a client that goes on to a provider: method -> catalogue -> result in wire form."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import cast

import anyio

from hub.catalog.catalog import Catalog
from hub.catalog.provider import Caller, Json, Kind, Outcome, Questions, TaskStarted, TaskVerb
from hub.errors import InvalidInputError, UnsupportedError
from hub.gateway.wire import without_envelope

Handler = Callable[[Json, Caller], Awaitable[Json]]

PAGE = 1_000
_PATIENCE_S = 10.0
_ROUNDS = 32
_LISTS: dict[str, tuple[Kind, str]] = {
    "tools/list": ("tools", "tools"),
    "prompts/list": ("prompts", "prompts"),
    "resources/list": ("resources", "resources"),
    "resources/templates/list": ("templates", "resourceTemplates"),
}


class Relay:
    """The gateway's methods over one catalogue; knows nothing of transports and eras' envelopes."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.handlers: dict[str, Handler] = {
            **{method: self._lister(kind, key) for method, (kind, key) in _LISTS.items()},
            "tools/call": self._rounds(catalog.call_tool),
            "prompts/get": self._rounds(catalog.get_prompt),
            "resources/read": self._rounds(catalog.read),
            "completion/complete": catalog.complete,
            "tasks/get": self._task("get"),
            "tasks/update": self._task("update"),
            "tasks/cancel": self._task("cancel"),
        }

    async def handle(self, method: str, params: Json, caller: Caller) -> Json:
        """Answer one request.

        Raises:
            HubError: in place of a result; `hub.gateway.wire` puts it on the wire.
        """
        await self.catalog.settled(_PATIENCE_S)
        return await self.handlers[method](without_envelope(params), caller)

    def _lister(self, kind: Kind, key: str) -> Handler:
        async def page(params: Json, _: Caller) -> Json:
            entries = self.catalog.entries(kind)
            start = _offset(params.get("cursor"), len(entries))
            body: Json = {key: entries[start : start + PAGE]}
            if start + PAGE < len(entries):
                body["nextCursor"] = base64.urlsafe_b64encode(str(start + PAGE).encode()).decode()
            return body

        return page

    def _rounds(self, once: Callable[[Json, Caller], Awaitable[Outcome]]) -> Handler:
        """Make a call that may end in questions: those of a live caller are asked here and now.

        Source: MCP 2026-07-28, basic/patterns/mrtr.
        """

        async def run(params: Json, caller: Caller) -> Json:
            outcome = await once(params, caller)
            for _ in range(_ROUNDS):
                if not isinstance(outcome, Questions) or not caller.live:
                    break
                again = {key: value for key, value in params.items() if key not in ("inputResponses", "requestState")}
                if "requestState" in outcome.body:
                    again["requestState"] = outcome.body["requestState"]
                again["inputResponses"] = await _answers(outcome, caller)
                outcome = await once(again, caller)
            if caller.era == "legacy" and isinstance(outcome, Questions | TaskStarted):
                raise UnsupportedError(
                    "the server answered with questions or a task, which this client's protocol revision can't carry; "
                    "use a client of revision 2026-07-28"
                )
            return outcome.body

        return run

    def _task(self, verb: TaskVerb) -> Handler:
        async def handle(params: Json, caller: Caller) -> Json:
            return await self.catalog.task(verb, params, caller)

        return handle


async def _answers(questions: Questions, caller: Caller) -> Json:
    requests = cast("dict[str, Json]", questions.body.get("inputRequests") or {})
    answers: Json = {}

    async def ask(key: str, request: Json) -> None:
        answers[key] = await caller.ask(str(request.get("method")), cast("Json", request.get("params") or {}))

    try:
        async with anyio.create_task_group() as group:
            for key, request in requests.items():
                group.start_soon(ask, key, request)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return answers


def _offset(cursor: object, length: int) -> int:
    if cursor is None:
        return 0
    try:
        start = int(base64.urlsafe_b64decode(str(cursor).encode("ascii")))
    except (ValueError, binascii.Error) as error:
        raise InvalidInputError("cursor: not one that this hub gave out; list again from the start") from error
    if not 0 <= start <= length:
        raise InvalidInputError("cursor: the list has changed since; list again from the start")
    return start
