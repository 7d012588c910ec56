"""When a failed step is tried again."""

import pytest

from hub.workflows.failure import Failure
from hub.workflows.retry import STORE_RETRY, RetryPolicy


@pytest.mark.parametrize(
    ("retryable", "known_only", "again"),
    [
        (True, False, True),
        (None, False, True),
        (False, False, False),
        (True, True, True),
        (None, True, False),
        (False, True, False),
    ],
)
def test_an_error_may_say_whether_to_come_again(retryable: bool | None, known_only: bool, again: bool) -> None:
    policy = RetryPolicy(max_attempts=2, known_only=known_only)
    failure = Failure(error_type="E", reason="", retryable=retryable)
    assert (policy.delay_after(failure, attempts=1, waited_s=0, chance=0) is not None) is again


def test_a_store_that_is_away_is_waited_for_a_day_and_a_defect_is_not() -> None:
    away, defect = Failure(error_type="E", reason="", retryable=True), Failure(error_type="KeyError", reason="")
    delays = [STORE_RETRY.delay_after(away, attempts=n, waited_s=0, chance=0.5) or 0 for n in range(1, 400)]
    assert 20 * 3600 < sum(delays) < 28 * 3600
    assert STORE_RETRY.delay_after(defect, attempts=1, waited_s=0, chance=0) is None
