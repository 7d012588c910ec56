"""Which workers take which runs: a worker may say which workflows it has, and is given no others.

Several programs may so share one sidecar. Dapr's own workers say nothing and are given everything, as by daprd.
"""

import logging
import sqlite3
from collections.abc import Iterable, Sequence

from .proto import service_pb
from .store import Store
from .workers import WorkStream

logger = logging.getLogger(__name__)

WORKER_HEADER = "hub-worker"
"""Request header of `GetWorkItems` and `Hello`: what the worker calls itself."""
WORKFLOWS_HEADER = "hub-workflows-bin"
"""Request header beside it: names of the workflows that it has, UTF-8, one a line."""

MAX_NAMES = 1024

Activity = tuple[int, int, service_pb.WorkItem | None]
"""Number of its run, its own number, and what the worker gets, if that is in memory."""


class Routing:
    """Finds the workers for a run, and keeps what no connected worker takes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_selective = False
        self._names: dict[int, str] = {}
        self._turns: dict[int, None] = {}
        self._activities: dict[int, list[Activity]] = {}
        self._missing: set[str] = set()

    def changed(self, streams: Iterable[WorkStream]) -> None:
        """A worker has come, gone, or has other workflows now."""
        self._is_selective = any(stream.workflows is not None for stream in streams)
        self._missing.clear()

    def takers(self, run: int, streams: Sequence[WorkStream]) -> Sequence[WorkStream]:
        """Those of the workers that take the run's turns and activities."""
        if not self._is_selective:
            return streams
        name = self._name_of(run)
        return [stream for stream in streams if stream.takes(name)]

    def keep_turn(self, run: int) -> None:
        """Keep a run that nobody takes now."""
        self._turns[run] = None
        self._tell(run)

    def keep_activity(self, activity: Activity) -> None:
        """Keep an activity that nobody takes now."""
        self._activities.setdefault(activity[0], []).append(activity)
        self._tell(activity[0])

    def take_turns(self) -> Sequence[int]:
        """The runs that were kept; they are not any more."""
        kept = list(self._turns)
        self._turns.clear()
        return kept

    def take_activities(self) -> Sequence[Activity]:
        """The activities that were kept; they are not any more."""
        kept = [each for activities in self._activities.values() for each in activities]
        self._activities.clear()
        return kept

    def drop_activities(self, run: int) -> None:
        """Nobody waits for a run's activities any more."""
        self._activities.pop(run, None)

    def forget(self, run: int) -> None:
        """A run is over."""
        self._names.pop(run, None)
        self._turns.pop(run, None)

    def _name_of(self, run: int) -> str:
        name = self._names.pop(run, None)
        if name is None:
            name = self._store.read(lambda db: _read_name(db, run))
            if len(self._names) >= MAX_NAMES:
                del self._names[next(iter(self._names))]
        self._names[run] = name
        return name

    def _tell(self, run: int) -> None:
        name = self._name_of(run)
        if name not in self._missing:
            self._missing.add(name)
            logger.warning("no worker that is connected has workflow %s: its runs wait for one that has", name)


def _read_name(db: sqlite3.Connection, run: int) -> str:
    row = db.execute("SELECT name FROM runs WHERE run = ?", (run,)).fetchone()
    return "" if row is None else str(row[0])
