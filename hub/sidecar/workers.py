"""The workers that are connected, and the queue of activities that wait for one."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Iterable

from .proto import service_pb

HEALTH_PING = service_pb.WORKER_CAPABILITY_HEALTH_PING
STATEFUL_HISTORY = service_pb.WORKER_CAPABILITY_STATEFUL_HISTORY

MAX_ITEMS_IN_MEMORY = 512
MAX_HELD_RUNS = 500
"""Runs that a worker is taken to hold the history of; it may hold fewer and has to ask for what it lacks."""


class WorkStream:
    """One worker's stream of work items."""

    def __init__(
        self, peer: str, capabilities: Iterable[int], *, worker: str = "", workflows: frozenset[str] | None = None
    ) -> None:
        self.peer = peer
        self.worker = worker
        """What the worker calls itself, if it does."""
        self.workflows = workflows
        """Names of the workflows that it has; None: it takes everything."""
        self.items: asyncio.Queue[service_pb.WorkItem | None] = asyncio.Queue()
        """What is to be sent; None ends the stream."""
        self.turns: set[int] = set()
        """Runs whose turn is with this worker."""
        self.activities: set[int] = set()
        self.is_open = True
        self.last_seen = time.monotonic()
        self._capabilities = frozenset(capabilities)
        self._held: dict[int, int] = {}

    def takes(self, workflow: str) -> bool:
        """Whether the turns and activities of runs of this workflow are for it."""
        return self.workflows is None or workflow in self.workflows

    @property
    def takes_pings(self) -> bool:
        return HEALTH_PING in self._capabilities

    def held_count(self, run: int) -> int:
        """How many events of a run's history the worker has in memory."""
        return self._held.get(run, 0)

    def hold(self, run: int, count: int) -> None:
        """The worker has seen these events; the runs that had no turn for longest are counted as forgotten there."""
        if count and STATEFUL_HISTORY in self._capabilities:
            self._held.pop(run, None)
            self._held[run] = count
            if len(self._held) > MAX_HELD_RUNS:
                del self._held[next(iter(self._held))]

    def forget(self, run: int) -> None:
        self._held.pop(run, None)

    def begin_lease(self) -> None:
        """Count the worker's silence from now on, if it had nothing to do."""
        if not self.turns and not self.activities:
            self.last_seen = time.monotonic()

    def revoke(self) -> None:
        """End the stream from our side: the worker is silent."""
        self.is_open = False
        self.items.put_nowait(None)


class ActivityQueue:
    """Activities in turn, one run after the other, so that a run with thousands does not hold up the rest."""

    def __init__(self) -> None:
        self._by_run: OrderedDict[int, deque[int]] = OrderedDict()
        self._items: dict[int, service_pb.WorkItem] = {}

    def __bool__(self) -> bool:
        return bool(self._by_run)

    def add(self, run: int, seq: int, item: service_pb.WorkItem | None = None, *, first: bool = False) -> None:
        """Queue an activity.

        Args:
            item: what the worker gets; kept in memory while few are waiting, read from the database otherwise.
        """
        waiting = self._by_run.setdefault(run, deque())
        if first:
            waiting.appendleft(seq)
        else:
            waiting.append(seq)
        if item is not None and len(self._items) < MAX_ITEMS_IN_MEMORY:
            self._items[seq] = item

    def pop(self) -> tuple[int, int, service_pb.WorkItem | None]:
        run, waiting = next(iter(self._by_run.items()))
        seq = waiting.popleft()
        if waiting:
            self._by_run.move_to_end(run)
        else:
            del self._by_run[run]
        return run, seq, self._items.pop(seq, None)

    def drop(self, run: int) -> None:
        """Forget what a run has waiting."""
        for seq in self._by_run.pop(run, ()):
            self._items.pop(seq, None)
