"""Work on many things at once fails as one thing would."""

import anyio
import anyio.lowlevel
import pytest

from hub.workflows import DaprDownError
from hub.workflows.at_once import each_at_once


async def test_the_first_failure_is_raised_as_it_is_and_the_rest_is_cancelled() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        if number == 1:
            raise DaprDownError("away")
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(number)

    with anyio.fail_after(5), pytest.raises(DaprDownError, match="away"):
        await each_at_once(work, [0, 1, 2], at_most=3)
    assert set(ended) <= {0, 2}


async def test_no_more_than_allowed_run_at_once() -> None:
    most, running = 0, 0

    async def work(_number: int) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1

    await each_at_once(work, range(20), at_most=4)
    assert (most, running) == (4, 0)
