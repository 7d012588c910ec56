"""The pub/sub RPCs of Dapr's runtime service."""

import time
from collections.abc import AsyncIterator, Mapping

import anyio

from .broker import Broker, Subscriber
from .cloudevents import CloudEvent, build_event
from .errors import InvalidRequestError, SidecarError
from .proto import Empty, pubsub_pb
from .settings import SidecarSettings
from .state import parse_ttl
from .store import Store, Transaction
from .topics import Topic, add_event
from .wire import Call, RpcError

TRACE_HEADERS = ("traceparent", "tracestate")


class PubSubApi:
    """Publish, publish in bulk, subscribe by a stream."""

    def __init__(self, store: Store, broker: Broker, settings: SidecarSettings) -> None:
        self._store = store
        self._broker = broker
        self._settings = settings
        self._open: set[Subscriber] = set()

    async def publish(
        self,
        request: pubsub_pb.PublishEventRequest,
        call: Call,
    ) -> Empty:
        topic = self._check(request.pubsub_name, request.topic)
        trace = _trace_of(call.metadata)
        event = self._build(topic, request.data, request.data_content_type, request.metadata, trace)
        expires_at = self._expiry(request.metadata)
        await self._store.change(lambda tx: add_event(tx, topic, event, expires_at))
        return Empty()

    async def publish_bulk(
        self,
        request: pubsub_pb.BulkPublishRequest,
        call: Call,
    ) -> pubsub_pb.BulkPublishResponse:
        topic = self._check(request.pubsub_name, request.topic)
        trace = _trace_of(call.metadata)
        events: list[tuple[CloudEvent, float]] = []
        failed: list[pubsub_pb.BulkPublishResponseFailedEntry] = []
        for entry in request.entries:
            metadata = {**request.metadata, **entry.metadata}
            try:
                event = self._build(topic, entry.event, entry.content_type, metadata, trace)
                events.append((event, self._expiry(metadata)))
            except SidecarError as error:
                failed.append(pubsub_pb.BulkPublishResponseFailedEntry(entry_id=entry.entry_id, error=str(error)))

        def work(tx: Transaction) -> None:
            for event, expires_at in events:
                add_event(tx, topic, event, expires_at)

        await self._store.change(work)
        return pubsub_pb.BulkPublishResponse(failedEntries=failed)

    async def subscribe(
        self,
        requests: AsyncIterator[pubsub_pb.SubscribeTopicEventsRequestAlpha1],
        call: Call,
    ) -> None:
        """Send events of a topic and take the answers, until the subscriber goes."""
        first = await anext(aiter(requests), None)
        if first is None or not first.HasField("initial_request"):
            raise InvalidRequestError("the first message of a subscription names the pub/sub component and the topic")
        initial = first.initial_request
        subscriber = Subscriber(
            topic=self._check(initial.pubsub_name, initial.topic), dead_letter_topic=initial.dead_letter_topic
        )
        await call.write(
            pubsub_pb.SubscribeTopicEventsResponseAlpha1(
                initial_response=pubsub_pb.SubscribeTopicEventsResponseInitialAlpha1()
            )
        )
        self._open.add(subscriber)
        self._broker.add(subscriber)
        failures: list[RpcError] = []
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._take_answers, requests, subscriber, failures)
                while (message := await subscriber.messages.get()) is not None:
                    await call.write(message)
                tasks.cancel_scope.cancel()
        finally:
            self._open.discard(subscriber)
            self._broker.remove(subscriber)
        if failures:
            raise failures[0]

    async def _take_answers(
        self,
        requests: AsyncIterator[pubsub_pb.SubscribeTopicEventsRequestAlpha1],
        subscriber: Subscriber,
        failures: list[RpcError],
    ) -> None:
        try:
            async for request in requests:
                if request.HasField("event_processed"):
                    processed = request.event_processed
                    await self._broker.answer(subscriber, processed.id, processed.status.status)
        except RpcError as error:  # out of the task group as it is
            failures.append(error)
        subscriber.messages.put_nowait(None)

    def stop(self) -> None:
        """End all subscriptions; their clients will subscribe again."""
        for subscriber in self._open:
            subscriber.messages.put_nowait(None)

    def _check(self, pubsub: str, topic: str) -> Topic:
        if pubsub not in self._settings.pubsubs:
            raise InvalidRequestError(
                f"pubsub {pubsub} is not found; this sidecar has {', '.join(self._settings.pubsubs) or 'none'}"
            )
        if not topic:
            raise InvalidRequestError(f"a topic of {pubsub} must have a name")
        return pubsub, topic

    def _build(
        self, topic: Topic, data: bytes, content_type: str, metadata: Mapping[str, str], trace: Mapping[str, str]
    ) -> CloudEvent:
        app_id = self._settings.app_id
        return build_event(data, content_type, metadata, pubsub=topic[0], topic=topic[1], app_id=app_id, trace=trace)

    def _expiry(self, metadata: Mapping[str, str]) -> float:
        ttl_s = parse_ttl(metadata)
        return time.time() + (self._settings.event_retention_s if ttl_s is None else ttl_s)


def _trace_of(headers: Mapping[str, str | bytes]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key in TRACE_HEADERS and isinstance(value, str)}
