"""Gives turns and activities to workers, and takes them back from those that are gone.

What is kept here lives in memory: after a restart it is read from the database again, and what was with a worker is
given out anew under another completion token.
"""

import asyncio
import logging
import time

import anyio

from .activities import read_activity, waiting_activities
from .assignments import Assignments, OutActivity, OutTurn
from .errors import SidecarError
from .inbox import runs_with_mail, take_turn, to_item
from .routing import Activity, Routing
from .settings import SidecarSettings
from .store import Store, Transaction, Turn
from .turns import stall_run
from .workers import ActivityQueue, WorkStream

logger = logging.getLogger(__name__)

MAX_GIVEN_AT_ONCE = 128
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
        self._routing = Routing(store)
        self._overdue: dict[int, tuple[WorkStream, int]] = {}
        """Runs whose last turn was not answered in time: by whom, and how many times in a row."""
        self._loop = asyncio.get_running_loop()
        self._is_running = False
        self._is_scheduled = False
        self.out = Assignments()
        store.on_commit(self._absorb)
        store.expect(lambda: self.out.count)

    @property
    def worker_count(self) -> int:
        return len(self._streams)

    @property
    def streams(self) -> tuple[WorkStream, ...]:
        return tuple(self._streams)

    def load(self) -> None:
        """Read what waits in the database."""
        self._ready.update(dict.fromkeys(self._store.read(runs_with_mail)))
        for run, seq in self._store.read(waiting_activities):
            self._waiting.add(run, seq)

    async def run(self) -> None:
        """Give out work until cancelled."""
        self._is_running = True
        self._soon()
        try:
            await anyio.sleep_forever()
        finally:
            self._is_running = False

    # -- workers -------------------------------------------------------------------------------------------------

    def add(self, stream: WorkStream) -> None:
        """A worker is there: it may have what stalled runs miss."""
        self._streams.append(stream)
        self._streams_changed()

    def redeclare(self, worker: str, workflows: frozenset[str]) -> None:
        """A worker says which workflows it has now."""
        stale = [each for each in self._streams if each.worker == worker and each.workflows != workflows]
        for stream in stale:
            stream.workflows = workflows
        if stale:
            self._streams_changed()

    def _streams_changed(self) -> None:
        """Somebody may have what runs wait for."""
        self._routing.changed(self._streams)
        for run in [*self._stalled, *self._routing.take_turns()]:
            self._make_ready(run)
        for run, seq, item in self._routing.take_activities():
            self._waiting.add(run, seq, item)
        self._soon()

    def remove(self, stream: WorkStream) -> None:
        """A worker is gone: what it had is waiting again."""
        stream.is_open = False
        if stream not in self._streams:
            return
        self._streams.remove(stream)
        self._routing.changed(self._streams)
        for run in list(stream.turns):
            out = self.out.turn_of(run)
            if out is not None and out.stream is stream and not out.is_saving:
                self.out.take_back_turn(out)
                self._make_ready(run)
        for seq in list(stream.activities):
            out_activity = self.out.activity_of(seq)
            if out_activity is not None and out_activity.stream is stream and not out_activity.is_saving:
                self.out.take_back_activity(out_activity)
                self._waiting.add(out_activity.run, seq, first=True)
        for declined in self._stalled.values():
            declined.discard(stream)
        for run in [run for run, (overdue, _) in self._overdue.items() if overdue is stream]:
            del self._overdue[run]
        self._soon()

    def seen(self, peer: str) -> None:
        """Something was heard of a worker's process."""
        now = time.monotonic()
        for stream in self._streams:
            if stream.peer == peer:
                stream.last_seen = now

    def forgive(self, halt_s: float) -> None:
        """Leave out of all leases the time in which this process stood still, when it could hear nobody."""
        now = time.monotonic()
        for stream in self._streams:
            stream.last_seen = min(now, stream.last_seen + halt_s)
        for out in self.out.turns:
            out.given_at = min(now, out.given_at + halt_s)

    def take_back_overdue(self, lease_s: float) -> None:
        """Have turns that were given out too long ago done by another worker, if there is one."""
        now = time.monotonic()
        for out in self.out.turns:
            _, times = self._overdue.get(out.run, (None, 0))
            patience_s = lease_s * 2 ** min(times, 10)  # grows, so that a slow turn comes to its end one day
            if not out.is_saving and now - out.given_at > patience_s:
                logger.warning("run %s: no answer to a turn for %.0f s", out.turn.run_id, patience_s)
                self.out.take_back_turn(out)
                self._overdue[out.run] = (out.stream, times + 1)
                self._make_ready(out.run)

    # -- giving out ----------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        """Give out what waits, once what happens now has happened."""
        if self._is_running and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._give_out)

    def _give_out(self) -> None:
        self._is_scheduled = False
        if not self._is_running:
            return
        try:
            turns, activities = self._give_turns(), self._give_activities()
        except SidecarError as error:
            logger.warning("work cannot be given out: %s", error)
            self._is_scheduled = True
            self._loop.call_later(PAUSE_AFTER_ERROR_S, self._give_out)
            return
        if MAX_GIVEN_AT_ONCE in (turns, activities):
            self._soon()

    def _give_turns(self) -> int:
        given = passed_over = 0
        settled: list[int] = []
        limit = self._settings.turns_per_worker
        try:
            for run in self._ready:
                free = [stream for stream in self._streams if stream.is_open and len(stream.turns) < limit]
                if not free or MAX_GIVEN_AT_ONCE in (given, passed_over):
                    break
                takers = self._routing.takers(run, self._streams)
                declined = self._stalled.get(run, frozenset[WorkStream]())
                able = [stream for stream in free if stream in takers and stream not in declined]
                if able:
                    self._try_turn(run, able)
                    settled.append(run)
                    given += 1
                elif declined.issuperset(takers):  # nobody takes it, until a worker comes that has what it needs
                    settled.append(run)
                    if not declined:
                        self._routing.keep_turn(run)
                else:
                    passed_over += 1
        finally:
            for run in settled:
                del self._ready[run]
        return given

    def _try_turn(self, run: int, able: list[WorkStream]) -> None:
        """Give out a run's turn; one that cannot be put together stays behind alone."""
        try:
            self._give_turn(run, able)
        except SidecarError:
            raise
        except Exception:
            logger.exception("the turn of run number %d cannot be put together; other runs go on without it", run)

    def _give_turn(self, run: int, able: list[WorkStream]) -> None:
        stream = self._pick_for_turn(run, able) if len(able) > 1 else able[0]
        now = time.time()
        turn = self._store.read(lambda db: take_turn(db, run, now, stream.held_count(run)))
        if turn is None:
            return
        if turn.size_bytes > self._settings.max_work_item_bytes:
            self._stall_oversized(turn)
            return
        out = self.out.give_turn(turn, stream)
        stream.items.put_nowait(to_item(turn, out.token))

    def _pick_for_turn(self, run: int, able: list[WorkStream]) -> WorkStream:
        overdue, _ = self._overdue.get(run, (None, 0))
        if overdue is not None:
            able = [stream for stream in able if stream is not overdue] or able
        warm = next((stream for stream in able if stream.held_count(run)), None)
        return warm or min(able, key=lambda stream: len(stream.turns))

    def _stall_oversized(self, turn: Turn) -> None:
        logger.error(
            "run %s is stalled: its history has %d bytes, the limit is %d; start the sidecar with a higher one",
            turn.run_id,
            turn.size_bytes,
            self._settings.max_work_item_bytes,
        )
        self._store.submit(lambda tx: stall_run(tx, turn), _log_failure)

    def _give_activities(self) -> int:
        given = 0
        passed_over: list[Activity] = []
        limit = self._settings.activities_per_worker
        try:
            while self._waiting and given < MAX_GIVEN_AT_ONCE and len(passed_over) < MAX_GIVEN_AT_ONCE:
                free = [stream for stream in self._streams if stream.is_open and len(stream.activities) < limit]
                if not free:
                    break
                activity = self._waiting.pop()
                try:
                    takers = self._routing.takers(activity[0], self._streams)
                except SidecarError:
                    passed_over.append(activity)
                    raise
                able = [stream for stream in free if stream in takers]
                if able:
                    self._give_activity(activity, min(able, key=lambda stream: len(stream.activities)))
                    given += 1
                elif takers:
                    passed_over.append(activity)
                else:
                    self._routing.keep_activity(activity)
        finally:
            for run, seq, item in reversed(passed_over):
                self._waiting.add(run, seq, item, first=True)
        return given

    def _give_activity(self, activity: Activity, stream: WorkStream) -> None:
        run, seq, item = activity
        if item is None:
            try:
                item = self._store.read(lambda db: read_activity(db, seq))
            except SidecarError:
                self._waiting.add(run, seq, first=True)
                raise
            except Exception:
                logger.exception("activity number %d cannot be put together; others go on without it", seq)
        if item is not None:  # else nobody waits for it any more, or it cannot be read
            out = self.out.give_activity(run, seq, stream, item)
            item.completionToken = out.token
            stream.items.put_nowait(item)

    # -- answers -------------------------------------------------------------------------------------------------

    def turn_saved(self, out: OutTurn, *, ends: bool) -> None:
        """A worker's answer to a turn is on disk.

        Args:
            ends: the run, or this generation of it, is over.
        """
        self.out.take_back_turn(out)
        self._overdue.pop(out.run, None)
        if out.has_more:
            self._make_ready(out.run)
        elif not ends:
            out.stream.hold(out.run, out.turn.history_count)
            self._stalled.pop(out.run, None)
        self._soon()

    async def decline(self, out: OutTurn) -> None:
        """A worker lacks the version of the workflow that the run needs: others are asked."""
        self.out.take_back_turn(out)
        out.stream.forget(out.run)
        declined = self._stalled.setdefault(out.run, set())
        declined.add(out.stream)
        self._make_ready(out.run)
        if declined.issuperset(self._routing.takers(out.run, self._streams)):
            await self._store.change(lambda tx: stall_run(tx, out.turn))

    def activity_saved(self, out: OutActivity) -> None:
        """An activity's result is on disk."""
        self.out.take_back_activity(out)
        self._soon()

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def _absorb(self, tx: Transaction) -> None:
        for run in tx.ended:
            out = self.out.turn_of(run)
            if out is not None:
                self.out.take_back_turn(out)
            self._ready.pop(run, None)
            self._stalled.pop(run, None)
            self._routing.forget(run)
            for stream in self._streams:
                stream.forget(run)
        for run in tx.cancelled:
            self._waiting.drop(run)
            self._routing.drop_activities(run)
        for run in tx.ready:
            self._make_ready(run)
        wanted = [new for new in tx.activities if new.run not in tx.cancelled]
        for new in wanted:
            self._waiting.add(new.run, new.seq, new.item)
        if wanted:
            self._soon()

    def _make_ready(self, run: int) -> None:
        out = self.out.turn_of(run)
        if out is not None:
            out.has_more = True
        else:
            self._ready[run] = None
            self._soon()


def _log_failure(_result: object, error: BaseException | None) -> None:
    if error is not None:
        logger.warning("a run that is stalled could not be marked so: %s", error)
