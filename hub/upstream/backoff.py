"""How long to wait before the next try."""

import random
from typing import Final

FIRST_S: Final = 0.2
LONGEST_S: Final = 30.0
HEALTHY_AFTER_S: Final = 30.0
"""A connection that stood this long wipes out the failures before it."""


class Backoff:
    """Doubling delays with jitter: 0.2 s at first, 30 s at most."""

    def __init__(self) -> None:
        self._failures = 0

    def next_delay_s(self) -> float:
        delay_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return delay_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads tries in time, keeps no secret

    def reset(self) -> None:
        self._failures = 0
