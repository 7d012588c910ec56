"""Answers whose giver died before the run was told: somebody else tells it."""

import logging
import time
from typing import NoReturn

import anyio

from hub.errors import HubError
from hub.questions.store import TELLING_S, Questions

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 30.0
_SHARE = 0.02
"""Of the time, at most, that looking takes: a look reads every question that waits."""


async def keep_redelivering(questions: Questions, *, every_s: float = _LOOK_EVERY_S) -> NoReturn:
    """Look for such answers now, and from time to time until cancelled.

    Args:
        every_s: seconds between looks; more where there are many questions.
    """
    older_than_s = 0.0
    while True:
        began = time.monotonic()
        try:
            told = await questions.redeliver(older_than_s=older_than_s)
            if told:
                _log.info("told %d runs of answers that were given before", told)
            older_than_s = min(TELLING_S, every_s)
        except HubError as error:
            _log.debug("answers that no run was told of cannot be looked for: %s", error)
        await anyio.sleep(max(every_s, (time.monotonic() - began) / _SHARE))
