"""Gives turns and activities to workers, and takes them back from those that are gone.

Everything here lives in the event loop and in memory: after a restart it is read from the database again, and what
was with a worker is given out anew under another completion token.
"""

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable

import anyio

from .activities import build_activity_request, complete_activity, waiting_activities
from .assignments import Assignments, OutActivity, OutTurn
from .errors import SidecarError, StoreError
from .history import to_timestamp
from .inbox import release_due, runs_with_mail, take_turn, to_request
from .proto import service_pb
from .settings import SidecarSettings
from .store import Store, Transaction, Turn
from .turns import apply_turn, is_version_missing, stall_run
from .workers import ActivityQueue, WorkStream

logger = logging.getLogger(__name__)

MAX_GIVEN_AT_ONCE = 128
MAX_PREPARED = 8
"""Runs of one transaction whose next turn is put together in passing."""
MAX_PREPARED_BYTES = 256 * 1024
PAUSE_AFTER_ERROR_S = 1.0


class Dispatcher:
    """Which work is waiting, which is out, and with whom."""

    def __init__(self, store: Store, settings: SidecarSettings) -> None:
        self._store = store
        self._settings = settings
        self._streams: list[WorkStream] = []
        self._ready: dict[int, None] = {}
        self._stalled: dict[int, set[WorkStream]] = {}
        self._waiting = ActivityQueue()
        self._unsaved: list[Callable[[], Awaitable[None]]] = []
        self._overdue: dict[int, tuple[WorkStream, int]] = {}
        """Runs whose last turn was not answered in time: by whom, and how many times in a row."""
        self._next_due_at = 0.0
        self._wake = asyncio.Event()
        self._out = Assignments()
        self._prepared: dict[int, Turn] = {}
        store.before_commit(self._prepare)
        store.on_commit(self._absorb)

    @property
    def worker_count(self) -> int:
        return len(self._streams)

    # -- the loop ------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what waits in the database."""

        def read(db: sqlite3.Connection) -> tuple[list[int], list[tuple[int, int]]]:
            return runs_with_mail(db), waiting_activities(db)

        runs, activities = await self._store.read(read)
        self._ready.update(dict.fromkeys(runs))
        for run, seq in activities:
            self._waiting.add(run, seq)

    async def run(self) -> None:
        """Give out work until cancelled."""
        while True:
            with anyio.move_on_after(self._idle_s()):
                await self._wake.wait()
            self._wake.clear()
            try:
                if self._next_due_at <= time.time():
                    self._next_due_at = math.inf
                    await self._store.change(release_due)
                await self._give_out()
            except SidecarError as error:
                logger.warning("work cannot be given out: %s", error)
                self._next_due_at = 0.0
                await anyio.sleep(PAUSE_AFTER_ERROR_S)
                self._wake.set()

    def _idle_s(self) -> float:
        return min(60.0, max(0.0, self._next_due_at - time.time()))

    @property
    def streams(self) -> tuple[WorkStream, ...]:
        return tuple(self._streams)

    def take_back_overdue(self, lease_s: float) -> None:
        """Have turns that were given out too long ago done by another worker, if there is one."""
        now = time.monotonic()
        for out in self._out.turns:
            _, times = self._overdue.get(out.run, (None, 0))
            patience_s = lease_s * 2 ** min(times, 10)  # grows, so that a slow turn comes to its end one day
            if not out.is_saving and out.turn is not None and now - out.given_at > patience_s:
                logger.warning("run %s: no answer to a turn for %.0f s", out.turn.run_id, patience_s)
                self._out.take_back_turn(out)
                self._overdue[out.run] = (out.stream, times + 1)
                self._make_ready(out.run)

    # -- workers -------------------------------------------------------------------------------------------------

    def add(self, stream: WorkStream) -> None:
        """A worker is there: it may have what stalled runs miss."""
        self._streams.append(stream)
        for run in list(self._stalled):
            self._make_ready(run)
        self._wake.set()

    def remove(self, stream: WorkStream) -> None:
        """A worker is gone: what it had is waiting again."""
        stream.is_open = False
        if stream not in self._streams:
            return
        self._streams.remove(stream)
        for run in list(stream.turns):
            out = self._out.turn_of(run)
            if out is not None and out.stream is stream and not out.is_saving:
                self._out.take_back_turn(out)
                self._make_ready(run)
        for seq in list(stream.activities):
            out_activity = self._out.activity_of(seq)
            if out_activity is not None and out_activity.stream is stream and not out_activity.is_saving:
                self._out.take_back_activity(out_activity)
                self._waiting.add(out_activity.run, seq, first=True)
        for declined in self._stalled.values():
            declined.discard(stream)
        for run in [run for run, (overdue, _) in self._overdue.items() if overdue is stream]:
            del self._overdue[run]
        self._wake.set()

    def seen(self, peer: str) -> None:
        """Something was heard of a worker's process."""
        now = time.monotonic()
        for stream in self._streams:
            if stream.peer == peer:
                stream.last_seen = now

    # -- giving out ----------------------------------------------------------------------------------------------

    async def _give_out(self) -> None:
        turns = self._plan_turns()
        activities = self._plan_activities()
        try:
            await self._read(
                [out for out in turns if out.turn is None], [out for out in activities if out.request is None]
            )
        except SidecarError:
            for out in turns:
                self._out.take_back_turn(out)
                self._make_ready(out.run)
            for out in activities:
                self._out.take_back_activity(out)
                self._waiting.add(out.run, out.seq, out.request, first=True)
            raise
        oversized = [turn for out in turns if (turn := self._send_turn(out)) is not None]
        for out in activities:
            self._send_activity(out)
        if (self._ready and turns) or (self._waiting and activities):
            self._wake.set()
        for turn in oversized:
            await self._stall_oversized(turn)

    async def _read(self, turns: list[OutTurn], activities: list[OutActivity]) -> None:
        """Fetch what is not at hand."""
        if not turns and not activities:
            return
        now = time.time()

        def read(
            db: sqlite3.Connection,
        ) -> tuple[list[Turn | None], list[service_pb.ActivityRequest | None]]:
            return (
                [take_turn(db, out.run, now, out.stream.held_count(out.run)) for out in turns],
                [build_activity_request(db, out.seq) for out in activities],
            )

        read_turns, requests = await self._store.read(read)
        for out, turn in zip(turns, read_turns, strict=True):
            out.turn = turn
        for out, request in zip(activities, requests, strict=True):
            out.request = request

    def _plan_turns(self) -> list[OutTurn]:
        planned: list[OutTurn] = []
        limit = self._settings.turns_per_worker
        for run in list(self._ready):
            able = [stream for stream in self._streams if stream.is_open and len(stream.turns) < limit]
            if not able or len(planned) == MAX_GIVEN_AT_ONCE:
                break
            declined = self._stalled.get(run)
            if declined:
                able = [stream for stream in able if stream not in declined]
                if declined.issuperset(self._streams):
                    del self._ready[run]  # until a worker comes that has what it needs
            if not able:
                continue
            del self._ready[run]
            stream = self._pick_for_turn(run, able)
            prepared = self._prepared.pop(run, None)
            if prepared is not None and prepared.known_count != min(stream.held_count(run), prepared.history_count):
                prepared = None
            planned.append(self._out.give_turn(run, stream, prepared))
        return planned

    def _pick_for_turn(self, run: int, able: list[WorkStream]) -> WorkStream:
        overdue, _ = self._overdue.get(run, (None, 0))
        if overdue is not None:
            able = [stream for stream in able if stream is not overdue] or able
        warm = next((stream for stream in able if stream.held_count(run)), None)
        return warm or min(able, key=lambda stream: len(stream.turns))

    def _plan_activities(self) -> list[OutActivity]:
        planned: list[OutActivity] = []
        limit = self._settings.activities_per_worker
        while self._waiting and len(planned) < MAX_GIVEN_AT_ONCE:
            able = [s for s in self._streams if s.is_open and len(s.activities) < limit]
            if not able:
                break
            stream = min(able, key=lambda stream: len(stream.activities))
            run, seq, request = self._waiting.pop()
            planned.append(self._out.give_activity(run, seq, stream, request))
        return planned

    def _send_turn(self, out: OutTurn) -> Turn | None:
        """Queue a turn for its worker; returns it if it is too large to be sent."""
        if self._out.turn_of(out.run) is not out:
            return None
        turn = out.turn
        if turn is None or not out.stream.is_open:
            self._out.take_back_turn(out)
            if out.has_more or turn is not None:
                self._make_ready(out.run)
            return None
        if turn.size_bytes > self._settings.max_work_item_bytes:
            self._out.take_back_turn(out)
            return turn
        turn.new_events[0].timestamp.CopyFrom(to_timestamp(time.time()))
        item = service_pb.WorkItem(workflowRequest=to_request(turn), completionToken=out.token)
        out.stream.items.put_nowait(item)
        return None

    async def _stall_oversized(self, turn: Turn) -> None:
        logger.error(
            "run %s is stalled: its history has %d bytes, the limit is %d; start the sidecar with a higher one",
            turn.run_id,
            turn.size_bytes,
            self._settings.max_work_item_bytes,
        )
        await self._store.change(lambda tx: stall_run(tx, turn))

    def _send_activity(self, out: OutActivity) -> None:
        if self._out.activity_of(out.seq) is not out:
            return
        request = out.request
        if request is None or not out.stream.is_open:
            self._out.take_back_activity(out)
            if request is not None:
                self._waiting.add(out.run, out.seq, first=True)
            return
        out.stream.items.put_nowait(service_pb.WorkItem(activityRequest=request, completionToken=out.token))

    # -- answers -------------------------------------------------------------------------------------------------

    async def complete_turn(self, answer: service_pb.WorkflowResponse) -> None:
        """Store a worker's answer to a turn; one that was superseded is dropped.

        Raises:
            StoreError: it cannot be stored now; the sidecar keeps it and tries again.
        """
        out = self._out.find_turn(answer)
        if out is None or out.turn is None or out.is_saving:
            return
        if is_version_missing(answer):
            await self._decline(out, out.turn)
            return
        await self._save_turn(out, out.turn, answer)

    async def _save_turn(self, out: OutTurn, turn: Turn, answer: service_pb.WorkflowResponse) -> None:
        out.is_saving = True
        app_id = self._settings.app_id

        def settle(_applied: bool | None, error: BaseException | None) -> None:
            if isinstance(error, StoreError):
                self._unsaved.append(lambda: self._save_turn(out, turn, answer))
                return
            if error is not None:
                out.is_saving = False  # a defect: the turn is given out again when its lease is over
                return
            self._out.take_back_turn(out)
            self._overdue.pop(out.run, None)
            if out.has_more:
                self._make_ready(out.run)
            elif not any(action.HasField("completeWorkflow") for action in answer.actions):
                out.stream.hold(out.run, turn.history_count)
                self._stalled.pop(out.run, None)
            self._wake.set()

        await self._store.change(lambda tx: apply_turn(tx, turn, answer, app_id), settle)

    async def _decline(self, out: OutTurn, turn: Turn) -> None:
        self._out.take_back_turn(out)
        out.stream.forget(out.run)
        declined = self._stalled_by(out.run)
        declined.add(out.stream)
        self._make_ready(out.run)
        if declined.issuperset(self._streams):
            await self._store.change(lambda tx: stall_run(tx, turn))

    async def complete_activity(self, answer: service_pb.ActivityResponse) -> None:
        """Store an activity's result; one that was superseded is dropped.

        Raises:
            StoreError: it cannot be stored now; the sidecar keeps it and tries again.
        """
        out = self._out.find_activity(answer)
        if out is not None and not out.is_saving:
            await self._save_activity(out, answer)

    async def _save_activity(self, out: OutActivity, answer: service_pb.ActivityResponse) -> None:
        out.is_saving = True

        def settle(_posted: bool | None, error: BaseException | None) -> None:
            if isinstance(error, StoreError):
                self._unsaved.append(lambda: self._save_activity(out, answer))
                return
            if error is not None:
                out.is_saving = False  # a defect: the activity is given out again when its worker goes
                return
            self._out.take_back_activity(out)
            self._wake.set()

        await self._store.change(lambda tx: complete_activity(tx, out.seq, answer), settle)

    async def save_again(self) -> None:
        """Try once more to store the answers for which there was no room."""
        waiting, self._unsaved = self._unsaved, []
        for save in waiting:
            try:
                await save()
            except StoreError as error:
                logger.warning("an answer of a worker still waits to be stored: %s", error)

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def _prepare(self, tx: Transaction) -> None:
        """In the writer's thread: put the next turn together while the run's rows are at hand.

        What is read here of the event loop's state may be old; whoever uses the turn looks again.
        """
        if len(tx.ready) > MAX_PREPARED or not self._streams:
            return
        for run in tx.ready:
            if not self._out.is_out(run) and run not in self._stalled:
                held = max((stream.held_count(run) for stream in tuple(self._streams)), default=0)
                turn = take_turn(tx.db, run, tx.now, held)
                if turn is not None and turn.size_bytes < MAX_PREPARED_BYTES:
                    tx.turns[run] = turn

    def _absorb(self, tx: Transaction) -> None:
        for run in tx.ended:
            out = self._out.turn_of(run)
            if out is not None:
                self._out.take_back_turn(out)
            self._ready.pop(run, None)
            self._prepared.pop(run, None)
            self._stalled.pop(run, None)
            for stream in self._streams:
                stream.forget(run)
        for run in tx.cancelled:
            self._waiting.drop(run)
        for run in tx.ready:
            self._prepared.pop(run, None)
            self._make_ready(run)
        for run, turn in tx.turns.items():
            if run in self._ready and len(self._prepared) < MAX_GIVEN_AT_ONCE:
                self._prepared[run] = turn
        for new in tx.activities:
            self._waiting.add(new.run, new.seq, new.request)
        if tx.next_due_at < self._next_due_at:
            self._next_due_at = tx.next_due_at
            self._wake.set()
        if tx.activities:
            self._wake.set()

    def _make_ready(self, run: int) -> None:
        out = self._out.turn_of(run)
        if out is not None:
            out.has_more = True
        else:
            self._ready[run] = None
            self._wake.set()

    def _stalled_by(self, run: int) -> set[WorkStream]:
        return self._stalled.setdefault(run, set())
