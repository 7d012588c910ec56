"""Ids of runs: what fits is taken as it is; else a chosen one is refused, and one that was made is mended."""

import pytest

from hub.errors import InvalidInputError
from hub.workflows import Runs
from hub.workflows.ids import LONGEST_ID, check_id, fitting_id
from tests.durable import flows


@pytest.mark.parametrize("run_id", ["a", "orders.take:web:17", "ü€😀", "a||b c", "x" * LONGEST_ID])
async def test_an_id_that_fits_stays_as_it_is(run_id: str) -> None:
    assert check_id(run_id) == fitting_id(run_id) == run_id


@pytest.mark.parametrize(
    "run_id", ["", "a/b", "a\\b", "a#b", "a?b", "a\nb", "a\x9fb", "x" * (LONGEST_ID + 1), "€" * 100]
)
async def test_an_id_that_does_not_fit_is_refused_or_mended(run_id: str) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        check_id(run_id)
    if run_id:
        mended = fitting_id(run_id)
        assert check_id(mended) == mended
        assert fitting_id(run_id + "!") != mended


async def test_runs_below_runs_have_ids_that_fit_however_deep(hub_worker: None, runs: Runs, run_id: str) -> None:
    assert await runs.run(flows.digs, {"depth": 15}, run_id=run_id, timeout_s=60) == 15


async def test_an_id_that_does_not_fit_starts_nothing(runs: Runs) -> None:
    with pytest.raises(InvalidInputError, match="expected none of"):
        await runs.start(flows.digs, {"depth": 0}, run_id="a/b")
