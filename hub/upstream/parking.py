"""Calls that wait for a person while nobody holds the line.

A legacy server asks in the middle of a call. A caller that cannot be asked then and there gets the questions as the
answer; the call stays where it is, and the same request made again with the answers takes it up.

Source: MCP 2026-07-28, basic/patterns/mrtr.
"""

import hashlib
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import anyio
from anyio.abc import TaskGroup

from hub.catalog.provider import Caller, Era, Json
from hub.errors import HubError, InternalError, RemoteError, UpstreamDownError
from hub.upstream.seal import BrokenSealError, Seal
from hub.upstream.wire import INVALID_PARAMS

PARKED_S: Final = 600.0
GATHER_S: Final = 0.01
"""How long further questions of the same call are waited for, so that they are put together."""
MAX_CARRIED_BYTES: Final = 256 * 1024

Run = Callable[[Json, Caller], Awaitable[Json]]
logger = logging.getLogger("hub.upstream")


@dataclass(slots=True)
class _Question:
    method: str
    params: Json
    digest: str
    answered: anyio.Event
    answer: Json | None = None


class ParkedCall:
    """A call to a legacy server in a task of its own; to the server's leg it is a caller that can be asked."""

    def __init__(self, call_id: str, binding: str, caller: Caller, replay: list[tuple[str, Json]]) -> None:
        self.call_id = call_id
        self.binding = binding
        self.round = 0
        self.given = list(replay)
        self.scope = anyio.CancelScope()
        self.result: Json | None = None
        self.error: HubError | None = None
        self.attended = True
        self._replay: dict[str, deque[Json]] = {}
        for digest, answer in replay:
            self._replay.setdefault(digest, deque()).append(answer)
        self._caller = caller
        self._questions: dict[str, _Question] = {}
        self._asked = 0
        self._stirred = anyio.Event()

    # The caller that the leg sees

    @property
    def identity(self) -> str:
        return self._caller.identity

    @property
    def era(self) -> Era:
        return self._caller.era

    @property
    def live(self) -> bool:
        return True

    @property
    def client_info(self) -> Json | None:
        return self._caller.client_info

    @property
    def capabilities(self) -> Json:
        return self._caller.capabilities

    @property
    def wants_progress(self) -> bool:
        return self._caller.wants_progress

    @property
    def log_level(self) -> str | None:
        return self._caller.log_level

    async def progress(self, params: Json) -> None:
        if self.attended and self._caller.wants_progress:
            await self._caller.progress(params)

    async def log(self, params: Json) -> None:
        if self.attended:
            await self._caller.log(params)

    async def ask(self, method: str, params: Json) -> Json:
        digest = digest_of([method, params])
        if replayed := self._replay.get(digest):
            return replayed.popleft()
        self._asked += 1
        key = f"q{self._asked}"
        question = _Question(method=method, params=params, digest=digest, answered=anyio.Event())
        self._questions[key] = question
        self._stir()
        try:
            await question.answered.wait()
        finally:
            self._questions.pop(key, None)
        return question.answer or {}

    # The callers that come and go

    @property
    def ended(self) -> bool:
        return self.result is not None or self.error is not None

    @property
    def open_questions(self) -> Mapping[str, _Question]:
        return {key: question for key, question in self._questions.items() if not question.answered.is_set()}

    def attend(self, caller: Caller) -> None:
        self._caller = caller
        self.attended = True
        self.scope.deadline = float("inf")

    def leave(self, expires_in_s: float) -> None:
        self.attended = False
        self.scope.deadline = anyio.current_time() + expires_in_s

    def give(self, answers: Mapping[str, Json]) -> None:
        for key, answer in answers.items():
            question = self._questions.get(key)
            if question is not None and not question.answered.is_set():
                question.answer = answer
                self.given.append((question.digest, answer))
                question.answered.set()

    def end(self, *, result: Json | None = None, error: HubError | None = None) -> None:
        self.result, self.error = result, error
        self._stir()

    async def turn(self) -> None:
        """Wait until the call has ended or waits for answers."""
        while not self.ended and not self.open_questions:
            await self._stirred.wait()
        if not self.ended:
            with anyio.move_on_after(GATHER_S):
                while not self.ended:
                    await self._stirred.wait()

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = anyio.Event()


class Parking:
    """The parked calls of one server, and the sealed states under which they are taken up."""

    def __init__(self, *, server_name: str, seal: Seal, tasks: TaskGroup) -> None:
        self._purpose = f"parked call of {server_name}"
        self._seal = seal
        self._tasks = tasks
        self._calls: dict[str, ParkedCall] = {}
        self._used: dict[tuple[str, int], float] = {}

    async def call(self, method: str, params: Json, caller: Caller, run: Run) -> Json:
        """Make a call, or take one up again.

        Returns:
            The server's result, or an `InputRequiredResult` with the questions that are open.

        Raises:
            RemoteError: the request state is not of this call, is used up or too old.
        """
        self._forget_old()
        clean = {key: value for key, value in params.items() if key not in ("requestState", "inputResponses")}
        binding = digest_of([caller.identity, method, {key: clean[key] for key in clean if key != "_meta"}])
        state: object = params.get("requestState")
        if state is None:
            parked = self._start(binding, clean, caller, run, [])
        else:
            parked = self._take_up(state, binding, clean, params.get("inputResponses"), caller, run)
        return await self._attend(parked)

    async def _attend(self, parked: ParkedCall) -> Json:
        try:
            await parked.turn()
        except anyio.get_cancelled_exc_class():
            parked.scope.cancel()
            self._calls.pop(parked.call_id, None)
            raise
        if parked.error is not None:
            self._calls.pop(parked.call_id, None)
            raise parked.error
        if parked.result is not None:
            self._calls.pop(parked.call_id, None)
            return parked.result
        parked.round += 1
        parked.leave(PARKED_S)
        questions = parked.open_questions
        return {
            "resultType": "input_required",
            "inputRequests": {
                key: {"method": question.method, "params": question.params} for key, question in questions.items()
            },
            "requestState": self._close_state(parked, questions),
        }

    def _start(
        self, binding: str, params: Json, caller: Caller, run: Run, replay: list[tuple[str, Json]]
    ) -> ParkedCall:
        parked = ParkedCall(secrets.token_urlsafe(12), binding, caller, replay)
        self._calls[parked.call_id] = parked
        self._tasks.start_soon(self._drive, parked, params, run)
        return parked

    async def _drive(self, parked: ParkedCall, params: Json, run: Run) -> None:
        with parked.scope:
            try:
                parked.end(result=await run(params, parked))
            except HubError as error:
                parked.end(error=error)
                if not parked.attended and isinstance(error, UpstreamDownError):
                    # Whoever comes back with answers has the call made again.
                    self._calls.pop(parked.call_id, None)
            except Exception:
                logger.exception("a parked call failed")
                parked.end(error=InternalError("the call failed inside of the hub; see its log"))
        if not parked.ended:
            self._calls.pop(parked.call_id, None)
            parked.end(error=UpstreamDownError("the call was given up"))

    def _take_up(
        self, state: object, binding: str, params: Json, responses: object, caller: Caller, run: Run
    ) -> ParkedCall:
        content = self._open_state(state, binding)
        call_id, number = str(content["c"]), int(content["r"])
        answers = _checked_answers(responses)
        parked = self._calls.get(call_id)
        if (call_id, number) in self._used or (parked is not None and parked.round != number):
            raise _invalid_state()
        self._used[call_id, number] = float(content["x"])
        if parked is not None:
            parked.attend(caller)
            parked.give(answers)
            return parked
        digests = cast("dict[str, str]", content["q"])
        replay = [
            (str(digest), cast("Json", answer)) for digest, answer in cast("list[tuple[str, object]]", content["g"])
        ]
        replay += [(digests[key], answer) for key, answer in answers.items() if key in digests]
        return self._start(binding, params, caller, run, replay)

    def _close_state(self, parked: ParkedCall, questions: Mapping[str, _Question]) -> str:
        content: Json = {
            "c": parked.call_id,
            "r": parked.round,
            "b": parked.binding,
            "x": time.time() + PARKED_S,
            "q": {key: question.digest for key, question in questions.items()},
            "g": parked.given,
        }
        data = json.dumps(content).encode()
        if len(data) > MAX_CARRIED_BYTES:
            data = json.dumps({**content, "g": []}).encode()
        return self._seal.close(data, self._purpose)

    def _open_state(self, state: object, binding: str) -> Json:
        if not isinstance(state, str):
            raise _invalid_state()
        try:
            content = cast("Json", json.loads(self._seal.open(state, self._purpose)))
        except BrokenSealError as error:
            raise _invalid_state() from error
        if content["b"] != binding or content["x"] < time.time():
            raise _invalid_state()
        return content

    def _forget_old(self) -> None:
        now = time.time()
        for used in [used for used, expires_at in self._used.items() if expires_at < now]:
            del self._used[used]
        for parked in [parked for parked in self._calls.values() if parked.ended and not parked.attended]:
            if parked.scope.deadline < anyio.current_time():
                self._calls.pop(parked.call_id, None)


def digest_of(value: Any) -> str:
    """sha256 of the canonical JSON, hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _checked_answers(responses: object) -> dict[str, Json]:
    if responses is None:
        return {}
    if not isinstance(responses, dict) or not all(
        isinstance(answer, dict) for answer in cast("dict[object, object]", responses).values()
    ):
        raise RemoteError(INVALID_PARAMS, "inputResponses must be an object of objects")
    return cast("dict[str, Json]", responses)


def _invalid_state() -> RemoteError:
    return RemoteError(INVALID_PARAMS, "Invalid or expired requestState")
