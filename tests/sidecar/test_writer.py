"""When changes are committed: alone ones at once, those with others on their way behind them together with those."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hub.sidecar import writer as writer_module
from hub.sidecar.schema import open_database
from hub.sidecar.writer import BUSY_COUNT, MAX_UNPAUSED, Writer

LONG_S = 30.0
"""An interval in which nothing is committed but for a reason."""


class Changes:
    """A writer, and what it has committed: the sizes of its commits."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path)
        self.writer = Writer[list[int]](self._db, path, begin=lambda _: [], committed=self._count)
        self.sizes: list[int] = []
        self._waits: list[Callable[[], object]] = []

    def _count(self, group: list[int]) -> None:
        self.sizes.append(len(group))

    def watch_the_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have time pass only by `let_time_pass`."""
        monkeypatch.setattr(writer_module, "BUSY_INTERVAL_S", LONG_S)
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
            self._waits.append(callback)
            return call_later(delay, lambda: None)

        monkeypatch.setattr(loop, "call_later", noted)

    def let_time_pass(self) -> None:
        waits, self._waits = self._waits, []
        assert waits
        for callback in waits:
            callback()

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


async def test_after_waits_in_vain_more_and_more_of_the_next_ones_do_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with changes_of(tmp_path / "s.db") as changes:
        changes.watch_the_clock(monkeypatch)
        changes.give()
        await changes.settle()
        changes.writer.count_on_their_way = lambda: 1_000  # long ones: they bring nothing for now
        committed = 1
        for at_once in (1, 2, 4, 8, 16, 32, MAX_UNPAUSED, MAX_UNPAUSED):
            changes.give()
            await changes.settle()
            assert len(changes.sizes) == committed  # it waits
            changes.let_time_pass()
            for _ in range(at_once):
                changes.give()
                await changes.settle()
            committed += 1 + at_once
            assert len(changes.sizes) == committed


async def test_changes_that_come_together_bring_the_waiting_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with changes_of(tmp_path / "s.db") as changes:
        changes.watch_the_clock(monkeypatch)
        changes.give()
        await changes.settle()
        changes.writer.count_on_their_way = lambda: 1_000
        for _ in range(2):
            changes.give()
            changes.let_time_pass()
            changes.give(2)
            await changes.settle()
        assert changes.sizes == [1, 1, 2, 1, 2]
        changes.give()
        await changes.settle()
        assert changes.sizes == [1, 1, 2, 1, 2]
    assert changes.sizes == [1, 1, 2, 1, 2, 1]  # what waits is committed at the end
