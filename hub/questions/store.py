"""The questions of all runs, kept in Dapr's state."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import anyio

from hub.errors import StaleAnswerError, UnknownNameError
from hub.questions.answers import check_answer
from hub.questions.index import shard_key, waiting_ids, with_id, without_id
from hub.questions.record import QuestionRecord, QuestionStatus, from_json, to_json
from hub.workflows.address import DaprConnection
from hub.workflows.at_once import each_at_once
from hub.workflows.errors import DaprDownError, RunStateError
from hub.workflows.question import PUT_STEP, TAKE_STEP, answered_event, pack_answer
from hub.workflows.runs import Runs
from hub.workflows.state import Save, StateStore, Stored
from hub.workflows.steps import Steps

T = TypeVar("T")

_log = logging.getLogger(__name__)

_ENDED_TTL_S = 7 * 86_400
"""How long the record of a question that is over tells late answers so."""
TELLING_S = 5.0
"""Seconds that the one who answered gets to tell the run, before somebody else does."""
_MOST_TRIES = 40
_LOOKS_AT_ONCE = 16


class Questions:
    """Asks on behalf of runs, and takes the answers.

    A question is stored before its run waits; an answer is stored, bound to the digest of what was asked, before the
    event that brings it to the run; only then it counts as used. So whoever dies in between, nothing is asked or
    answered twice.
    """

    def __init__(self, connection: DaprConnection, *, store_name: str = "statestore") -> None:
        self._store = StateStore(connection, store_name)
        self._runs = Runs(connection)

    def add_steps(self, steps: Steps) -> None:
        """Let a worker's runs ask (`ctx.ask`)."""
        steps.add(self.put, PUT_STEP)
        steps.add(self.take, TAKE_STEP)

    # The runs' side: steps, each safe to run again

    async def put(self, question: dict[str, Any]) -> None:
        """Store a question; one that is there stays as it is."""
        record = from_json(question)

        async def attempt() -> None:
            found = await self._store.get_many([_key(record.id), shard_key(record.id)])
            if _key(record.id) in found:
                return
            shard = found.get(shard_key(record.id))
            saves = [Save(key=_key(record.id), value=to_json(record), is_new=True), with_id(shard, record.id)]
            await self._store.transact([each for each in saves if each is not None])

        await _until_first(attempt)

    async def take(self, question_id: str, digest: str, close: bool) -> dict[str, Any] | None:
        """Take the stored answer into the run.

        Args:
            close: nobody waits any longer; without an answer the question is closed.

        Returns:
            The answer, or None.
        """
        taken: dict[str, Any] | None = None

        async def attempt() -> None:
            nonlocal taken
            found = await self._store.get_many([_key(question_id), shard_key(question_id)])
            stored = found.get(_key(question_id))
            record = None if stored is None else from_json(stored.value)
            if stored is None or record is None or record.digest != digest:
                return
            if record.status in ("answered", "used") and record.result is not None:
                taken = dict(record.result)
            shard = found.get(shard_key(question_id))
            if record.status == "answered":
                await self._end(stored, record, "used", shard)
            elif record.status == "open" and close:
                await self._end(stored, record, "closed", shard)

        await _until_first(attempt)
        return taken

    # The answering side

    async def get(self, question_id: str) -> QuestionRecord:
        """One question, whatever has come of it.

        Raises:
            UnknownNameError: there is no such question, or it is over for long.
        """
        return (await self._get(question_id))[1]

    async def list(
        self, *, run_id: str | None = None, identity: str | None = None, limit: int = 200
    ) -> Sequence[QuestionRecord]:
        """The open questions, the oldest first. Runs that were never told of their answers are told.

        Args:
            run_id: of this run only.
            identity: of runs on behalf of this one only; None: of all.
        """
        ids = await waiting_ids(self._store)
        stored = await self._store.get_many([_key(each) for each in ids])
        records = sorted((from_json(each.value) for each in stored.values()), key=lambda each: each.asked_at)
        await self._tell_again(records, older_than_s=TELLING_S)
        wanted = [
            each
            for each in records
            if each.status == "open"
            and (run_id is None or each.run_id == run_id)
            and (identity is None or each.identity == identity)
        ]
        live = await self._with_live_runs(wanted[:limit])
        return [each for each in wanted[:limit] if each.id in live]

    async def answer(self, question_id: str, result: Mapping[str, Any], *, digest: str | None = None) -> None:
        """Answer a question; the same answer given again does no harm.

        Args:
            result: of the request; of an elicitation `{action, content}`.
            digest: of what the one who answers has seen.

        Raises:
            UnknownNameError: there is no such question.
            StaleAnswerError: it is not open any more, or another one was seen.
            InvalidInputError: the answer is not one that the question allows.
        """

        async def attempt() -> QuestionRecord:
            stored, record = await self._get(question_id)
            if digest is not None and digest != record.digest:
                raise StaleAnswerError(f"question {question_id} asks something else by now: read it again")
            if record.status in ("answered", "used") and record.result == dict(result):
                return record
            if record.status != "open":
                raise StaleAnswerError(f"question {question_id} is {record.status}: the answer comes too late")
            check_answer(record.question, result)
            answered = replace(record, status="answered", result=dict(result), answered_at=datetime.now(UTC))
            await self._store.save(Save(key=_key(question_id), value=to_json(answered), etag=stored.etag))
            return answered

        record = await _until_first(attempt)
        if record.status != "used":
            await self._wake(record)

    async def redeliver(self, *, older_than_s: float = 0) -> int:
        """Wake the runs whose answers were stored when somebody died before telling them.

        Args:
            older_than_s: only answers of so many seconds ago or more: who gave a newer one may be telling it.

        Returns:
            How many.
        """
        stored = await self._store.get_many([_key(each) for each in await waiting_ids(self._store)])
        return await self._tell_again([from_json(one.value) for one in stored.values()], older_than_s=older_than_s)

    async def _tell_again(self, records: Sequence[QuestionRecord], *, older_than_s: float) -> int:
        latest = datetime.now(UTC) - timedelta(seconds=older_than_s)
        untold = [each for each in records if each.status == "answered" and (each.answered_at or latest) <= latest]
        told = 0
        for record in untold:
            try:
                await self._wake(record)
            except StaleAnswerError:
                continue
            except DaprDownError as error:  # nor would the others hear it
                _log.info("run %s is not told of its answer yet: %s", record.run_id, error)
                break
            told += 1
        return told

    async def _wake(self, record: QuestionRecord) -> None:
        """Bring the answer to the run, and see afterwards whether there was one: the run does not wait for that."""
        event = answered_event(record.id)
        data = pack_answer(record.digest, record.result or {})
        try:
            await self._runs.send(record.run_id, event, data)
            has_it = not (await self._runs.status(record.run_id)).is_finished or any(
                each.kind == "eventRaised" and each.name == event for each in await self._runs.history(record.run_id)
            )
        except UnknownNameError:
            has_it = False
        if not has_it:
            if await self._settle(record.id, "closed") != "used":
                raise StaleAnswerError(f"question {record.id}: its run {record.run_id} is over")
        elif "result" in data:  # else the run takes it, and says so
            await self._settle(record.id, "used")

    async def _with_live_runs(self, records: Sequence[QuestionRecord]) -> set[str]:
        """Ids of those whose runs still go on; the others are closed."""
        live: set[str] = set()

        async def look(run_id: str) -> None:
            try:
                finished = (await self._runs.status(run_id)).is_finished
            except UnknownNameError:
                finished = True
            for each in records:
                if each.run_id == run_id and finished:
                    await self._settle(each.id, "closed")
                elif each.run_id == run_id:
                    live.add(each.id)

        await each_at_once(look, {each.run_id for each in records}, at_most=_LOOKS_AT_ONCE)
        return live

    async def _settle(self, question_id: str, ended: QuestionStatus) -> QuestionStatus:
        """End a question that is not over yet.

        Returns:
            How it is over now.
        """

        async def attempt() -> QuestionStatus:
            found = await self._store.get_many([_key(question_id), shard_key(question_id)])
            stored, record = _present(found.get(_key(question_id)), question_id)
            if record.status not in ("open", "answered"):
                return record.status
            await self._end(stored, record, ended, found.get(shard_key(question_id)))
            return ended

        return await _until_first(attempt)

    async def _end(self, stored: Stored, record: QuestionRecord, status: QuestionStatus, shard: Stored | None) -> None:
        ended = to_json(replace(record, status=status))
        saves = [
            Save(key=_key(record.id), value=ended, etag=stored.etag, ttl_s=_ENDED_TTL_S),
            without_id(shard, record.id),
        ]
        await self._store.transact([each for each in saves if each is not None])

    async def _get(self, question_id: str) -> tuple[Stored, QuestionRecord]:
        return _present(await self._store.get(_key(question_id)), question_id)


def _present(stored: Stored | None, question_id: str) -> tuple[Stored, QuestionRecord]:
    if stored is None:
        raise UnknownNameError(f"there is no question {question_id}")
    return stored, from_json(stored.value)


def _key(question_id: str) -> str:
    return f"hub-question-{question_id}"


async def _until_first(attempt: Callable[[], Awaitable[T]]) -> T:
    """Read and write again for as long as somebody else was first.

    Raises:
        DaprDownError: that went on for too long.
    """
    for number in range(_MOST_TRIES):
        try:
            return await attempt()
        except RunStateError:
            await anyio.sleep(random.uniform(0, min(0.005 * 2**number, 0.5)))  # noqa: S311 - jitter
    raise DaprDownError("the questions are written by too many at once; try again")
