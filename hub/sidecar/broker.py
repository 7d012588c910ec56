"""Delivers events to the subscribers of a topic, who compete for them."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from .errors import SidecarError, StoreFullError
from .proto import callback_pb, pubsub_pb
from .settings import SidecarSettings
from .store import Store, Transaction
from .topics import Topic, WaitingEvent, move_event, next_events, put_back_event, remove_event

logger = logging.getLogger(__name__)

SUCCESS = callback_pb.TopicEventResponse.SUCCESS
DROP = callback_pb.TopicEventResponse.DROP
PAUSE_AFTER_ERROR_S = 1.0


@dataclass(slots=True, eq=False)
class Subscriber:
    """One stream that takes events of a topic."""

    topic: Topic
    dead_letter_topic: str
    messages: "asyncio.Queue[pubsub_pb.SubscribeTopicEventsResponseAlpha1 | None]" = field(
        default_factory=asyncio.Queue[pubsub_pb.SubscribeTopicEventsResponseAlpha1 | None]
    )
    """What is to be sent; None ends the stream."""
    out: dict[int, tuple[WaitingEvent, float]] = field(default_factory=dict[int, tuple[WaitingEvent, float]])
    """Events that it has not answered, with when they were sent."""

    def take_back(self, seqs: Sequence[int]) -> None:
        """Events are not its own any more; those that it has not even read are not sent."""
        ids = {str(self.out.pop(seq)[0].event.attributes["id"]) for seq in seqs}
        for _ in range(self.messages.qsize()):
            message = self.messages.get_nowait()
            if message is None or message.event_message.id not in ids:
                self.messages.put_nowait(message)


class Broker:
    """Which subscriber has which event. An event that nobody holds is in the database and nowhere else."""

    def __init__(self, store: Store, settings: SidecarSettings) -> None:
        self._store = store
        self._settings = settings
        self._subscribers: dict[Topic, list[Subscriber]] = {}
        self._dirty: set[Topic] = set()
        self._due: dict[Topic, float] = {}
        self._wake = asyncio.Event()
        store.on_commit(self._absorb)

    def add(self, subscriber: Subscriber) -> None:
        self._subscribers.setdefault(subscriber.topic, []).append(subscriber)
        self._mark(subscriber.topic)

    def remove(self, subscriber: Subscriber) -> None:
        """A subscriber is gone: what it had not answered goes to another one."""
        others = self._subscribers.get(subscriber.topic, [])
        if subscriber in others:
            others.remove(subscriber)
        if not others:
            self._subscribers.pop(subscriber.topic, None)
            self._due.pop(subscriber.topic, None)
        subscriber.out.clear()
        self._mark(subscriber.topic)

    async def answer(self, subscriber: Subscriber, event_id: str, status: int) -> None:
        """Act on what a subscriber says about an event."""
        seq = next((s for s, (w, _) in subscriber.out.items() if str(w.event.attributes["id"]) == event_id), None)
        if seq is None:
            return
        waiting = subscriber.out[seq][0]
        topic, dead_letter_topic = subscriber.topic, subscriber.dead_letter_topic
        settings = self._settings
        deliveries = waiting.deliveries + 1
        is_given_up = status == DROP or deliveries >= settings.max_deliveries
        delay_s = min(settings.redelivery_max_s, settings.redelivery_first_s * 2 ** min(waiting.deliveries, 30))

        def work(tx: Transaction) -> None:
            if status == SUCCESS or (status == DROP and not dead_letter_topic):
                remove_event(tx, seq)
            elif is_given_up and dead_letter_topic:
                move_event(tx, topic, seq, dead_letter_topic, tx.now + settings.event_retention_s)
            else:
                put_back_event(tx, topic, seq, delay_s)

        while True:
            try:
                await self._store.change(work)
                break
            except StoreFullError as error:
                logger.warning("the answer to event %s still waits to be stored: %s", event_id, error)
                await anyio.sleep(PAUSE_AFTER_ERROR_S)
        subscriber.out.pop(seq, None)
        self._mark(topic)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            with anyio.move_on_after(self._idle_s()):
                await self._wake.wait()
            self._wake.clear()
            now = time.time()
            self._take_back_overdue()
            due = {topic for topic, due_at in self._due.items() if due_at <= now}
            topics, self._dirty = self._dirty | due, set()
            try:
                for topic in topics:
                    await self._deliver(topic, now)
            except SidecarError as error:
                logger.warning("events cannot be delivered: %s", error)
                self._dirty |= topics
                await anyio.sleep(PAUSE_AFTER_ERROR_S)
                self._wake.set()

    async def _deliver(self, topic: Topic, now: float) -> None:
        self._due.pop(topic, None)
        limit = self._settings.events_per_subscriber
        room = sum(limit - len(subscriber.out) for subscriber in self._subscribers.get(topic, ()))
        if room <= 0:
            return
        out = {seq for subscriber in self._subscribers[topic] for seq in subscriber.out}
        events, held_until = self._store.read(lambda db: next_events(db, topic, now, room, out))
        if held_until is not None:
            self._due[topic] = held_until
        for waiting in events:
            subscribers = self._subscribers.get(topic, ())
            subscriber = min(subscribers, key=lambda subscriber: len(subscriber.out), default=None)
            if subscriber is None:
                return
            subscriber.out[waiting.seq] = (waiting, time.monotonic())
            request = waiting.event.to_request(pubsub=topic[0], topic=topic[1])
            subscriber.messages.put_nowait(pubsub_pb.SubscribeTopicEventsResponseAlpha1(event_message=request))

    def _take_back_overdue(self) -> None:
        limit = time.monotonic() - self._settings.event_lease_s
        for topic, subscribers in self._subscribers.items():
            for subscriber in subscribers:
                overdue = [seq for seq, (_, sent_at) in subscriber.out.items() if sent_at < limit]
                if overdue:
                    subscriber.take_back(overdue)
                    self._dirty.add(topic)

    def _idle_s(self) -> float:
        due_in_s = min(self._due.values(), default=math.inf) - time.time()
        return min(max(1.0, self._settings.event_lease_s / 4), 60.0, max(0.0, due_in_s))

    def _mark(self, topic: Topic) -> None:
        self._dirty.add(topic)
        self._wake.set()

    def _absorb(self, tx: Transaction) -> None:
        wanted = tx.topics & self._subscribers.keys()
        if wanted:
            self._dirty |= wanted
            self._wake.set()
