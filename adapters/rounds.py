"""A call's way through its rounds: keys, threads and states of one caller, out of reach of the others."""

import json
from typing import Final, cast

from hub.catalog.provider import Caller, Json, Questions
from hub.errors import BusyError, CallTimeoutError, HubError, StaleAnswerError, UpstreamDownError
from hub.upstream.seal import BrokenSealError, Seal

IDEMPOTENCY_KEY: Final = "hub/idempotencyKey"
THREAD: Final = "hub/thread"

_PASSING: Final[dict[str, type[HubError]]] = {
    each.code: each for each in (UpstreamDownError, CallTimeoutError, BusyError)
}


class Rounds:
    """Stands between callers and one entry."""

    def __init__(self, seal: Seal, section: str, name: str) -> None:
        self._seal = seal
        self._place = f"hosted {section} {name}"

    def open(self, params: Json, caller: Caller) -> tuple[Json, str | None]:
        """Parameters as the entry takes them, and the run that they belong to if that is known.

        Raises:
            StaleAnswerError: the state is not one that this caller was given.
        """
        meta = dict(cast("Json", params.get("_meta") or {}))
        for key in (IDEMPOTENCY_KEY, THREAD):
            if isinstance(meta.get(key), str) and meta[key]:
                meta[key] = f"{caller.identity}/{meta[key]}"
        key: object = meta.get(IDEMPOTENCY_KEY)
        run_id = key if isinstance(key, str) and key else None
        opened: Json = {**params, "_meta": meta}
        state: object = params.get("requestState")
        if state is not None:
            try:
                inner = self._seal.open(str(state), self._purpose(caller)).decode()
                run_id = str(cast("Json", json.loads(inner))["run"])
            except (BrokenSealError, ValueError, KeyError, TypeError) as error:
                raise StaleAnswerError("the request state is not one of this call; make the call again") from error
            opened["requestState"] = inner
        return opened, run_id

    def seal(self, questions: Questions, caller: Caller) -> Questions:
        """The questions with a state that only this caller can come back with."""
        state: object = questions.body.get("requestState")
        if not isinstance(state, str):
            return questions
        sealed = self._seal.close(state.encode(), self._purpose(caller))
        return Questions(body={**questions.body, "requestState": sealed})

    def _purpose(self, caller: Caller) -> str:
        return f"{self._place} {caller.identity}"


def raise_passing(body: Json) -> None:
    """A failure of the entry itself that may pass is an error here too, so that who can wait tries again.

    Raises:
        HubError: the call may succeed later.
    """
    meta = cast("Json", body.get("_meta") or {})
    error = _PASSING.get(str(meta.get("hub/code")))
    if body.get("isError") is not True or meta.get("hub/retryable") is not True or error is None:
        return
    blocks = cast("list[Json]", body.get("content") or [{}])
    raise error(str(blocks[0].get("text", "")).removeprefix(f"{error.code}: "))
