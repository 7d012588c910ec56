"""Histories that Dapr need not send again while a run's turns follow each other."""

from collections import OrderedDict
from collections.abc import Sequence

from hub.workflows.sdk import history_pb


class HistoryCache:
    """The committed history of the runs that had a turn last, on one stream of work."""

    def __init__(self, max_runs: int, max_bytes: int) -> None:
        self._max_runs = max_runs
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, tuple[list[history_pb.HistoryEvent], int]] = OrderedDict()

    def get(self, run_id: str) -> list[history_pb.HistoryEvent] | None:
        entry = self._entries.get(run_id)
        return None if entry is None else entry[0]

    def put(self, run_id: str, committed: Sequence[history_pb.HistoryEvent]) -> None:
        """Keep this history; the ones not used for longest make room."""
        events, size = self._entries.pop(run_id, ([], 0))
        self._bytes -= size
        known = len(events)
        size = (size if known <= len(committed) else 0) + sum(
            event.ByteSize() for event in committed[known if known <= len(committed) else 0 :]
        )
        self._entries[run_id] = (list(committed), size)
        self._bytes += size
        while self._entries and (len(self._entries) > self._max_runs or self._bytes > self._max_bytes):
            _, (_, freed) = self._entries.popitem(last=False)
            self._bytes -= freed

    def forget(self, run_id: str) -> None:
        _, size = self._entries.pop(run_id, ([], 0))
        self._bytes -= size

    def clear(self) -> None:
        """A new stream of work begins: Dapr sends whole histories again."""
        self._entries.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)
