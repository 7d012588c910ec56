"""When changes are committed: alone ones at once, those with others on their way behind them together with those."""

import contextlib
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hub.sidecar import writer as writer_module
from hub.sidecar.schema import open_database
from hub.sidecar.writer import BUSY_COUNT, LONELY_COUNT, Writer

LONG_S = 30.0
"""An interval in which nothing is committed but for a reason."""


class Changes:
    """A writer, and what it has committed: the sizes of its commits."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path)
        self.writer = Writer[list[int]](self._db, path, begin=lambda _: [], committed=self._count)
        self.sizes: list[int] = []
        self.next = anyio.Event()
        """Set by the next commit."""

    def _count(self, group: list[int]) -> None:
        self.sizes.append(len(group))
        self.next.set()
        self.next = anyio.Event()

    def give(self, count: int = 1) -> None:
        for number in range(count):
            self.writer.submit(lambda group, number=number: group.append(number), lambda _result, _error: None)

    async def settle(self) -> None:
        """Let the event loop go round a few times; nothing here waits for a clock."""
        for _ in range(30):
            await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        self.writer.stop()
        with contextlib.suppress(sqlite3.Error):
            self._db.close()


@contextlib.asynccontextmanager
async def changes_of(path: Path) -> AsyncGenerator[Changes]:
    changes = Changes(path)
    try:
        yield changes
    finally:
        changes.close()


async def test_a_change_with_nothing_behind_it_is_committed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BUSY_INTERVAL_S", LONG_S)
    async with changes_of(tmp_path / "s.db") as changes:
        for _ in range(3):
            changes.give()
            await changes.settle()
        assert changes.sizes == [1, 1, 1]


async def test_a_change_waits_for_those_that_are_on_their_way_but_not_until_nobody_has_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BUSY_INTERVAL_S", LONG_S)
    async with changes_of(tmp_path / "s.db") as changes:
        changes.give()  # the first ever: the last commit is long ago
        await changes.settle()
        changes.writer.count_on_their_way = lambda: BUSY_COUNT + 3
        for _ in range(3):
            changes.give()
            await changes.settle()
        assert changes.sizes == [1]
        changes.give()
        await changes.settle()
        assert changes.sizes == [1, 4]


async def test_after_a_wait_in_vain_the_next_ones_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "BUSY_INTERVAL_S", 0.05)
    async with changes_of(tmp_path / "s.db") as changes:
        changes.give()
        await changes.settle()
        changes.writer.count_on_their_way = lambda: 1_000  # long ones: they bring nothing for now
        changes.give()
        with anyio.fail_after(5):
            await changes.next.wait()
        monkeypatch.setattr(writer_module, "BUSY_INTERVAL_S", LONG_S)
        for _ in range(LONELY_COUNT):
            changes.give()
            await changes.settle()
        assert changes.sizes == [1] * (2 + LONELY_COUNT)
        changes.give()
        await changes.settle()
        assert len(changes.sizes) == 2 + LONELY_COUNT  # it waits again


async def test_changes_that_come_together_bring_the_waiting_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BUSY_INTERVAL_S", 0.05)
    async with changes_of(tmp_path / "s.db") as changes:
        changes.give()
        await changes.settle()
        changes.writer.count_on_their_way = lambda: 1_000
        changes.give()
        with anyio.fail_after(5):
            await changes.next.wait()
        monkeypatch.setattr(writer_module, "BUSY_INTERVAL_S", LONG_S)
        changes.give(2)
        await changes.settle()
        changes.give()
        await changes.settle()
        assert changes.sizes == [1, 1, 2]
    assert changes.sizes == [1, 1, 2, 1]  # what waits is committed at the end
