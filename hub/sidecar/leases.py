"""Watches the workers: those that are silent lose their work, those that are quiet are pinged."""

import logging
import time

import anyio

from .answers import Answers
from .dispatch import Dispatcher
from .proto import service_pb
from .settings import SidecarSettings

logger = logging.getLogger(__name__)

PING_INTERVAL_S = 30.0


class Leases:
    """A worker holds its items as long as something is heard of its process."""

    def __init__(self, dispatcher: Dispatcher, answers: Answers, settings: SidecarSettings) -> None:
        self._dispatcher = dispatcher
        self._answers = answers
        self._worker_lease_s = settings.worker_lease_s
        self._turn_lease_s = settings.turn_lease_s

    async def watch(self) -> None:
        """Look for silent workers, overdue turns and answers that could not be stored, every now and then."""
        interval_s = min(1.0, self._worker_lease_s / 4, self._turn_lease_s / 4)
        while True:
            began = time.monotonic()
            await anyio.sleep(interval_s)
            now = time.monotonic()
            if (halt_s := now - began - interval_s) > interval_s:
                self._dispatcher.forgive(halt_s)
            for stream in self._dispatcher.streams:
                if (stream.turns or stream.activities) and now - stream.last_seen > self._worker_lease_s:
                    logger.warning(
                        "worker %s was silent for %.0f s; its work goes to others", stream.peer, self._worker_lease_s
                    )
                    stream.revoke()
                    self._dispatcher.remove(stream)
            self._dispatcher.take_back_overdue(self._turn_lease_s)
            await self._answers.save_again()

    async def ping(self) -> None:
        """Send health pings, which keep proxies from closing quiet streams."""
        while True:
            await anyio.sleep(PING_INTERVAL_S)
            for stream in self._dispatcher.streams:
                if stream.takes_pings and stream.items.empty():
                    stream.items.put_nowait(service_pb.WorkItem(healthPing=service_pb.HealthPing()))
