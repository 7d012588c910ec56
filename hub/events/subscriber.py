"""The subscriber: takes events from Dapr and starts a run for each, before it says that it has them.

Source: Dapr's gRPC API, SubscribeTopicEventsAlpha1 (streaming subscriptions).
"""

import contextlib
import hashlib
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, cast

import anyio
import grpc.aio
from dapr.proto.runtime.v1 import appcallback_pb2 as callback_pb
from dapr.proto.runtime.v1 import pubsub_pb2 as pubsub_pb
from google.protobuf.json_format import MessageToDict

from hub.errors import HubError, TooLargeError
from hub.events.event import Event, decode_data
from hub.events.publish import Publisher
from hub.events.subscription import Subscription
from hub.workflows import DaprConnection, Runs
from hub.workflows.trace import as_event_attributes, trace_in

_log = logging.getLogger(__name__)
_METHOD = "/dapr.proto.runtime.v1.Dapr/SubscribeTopicEventsAlpha1"
_SUCCESS = callback_pb.TopicEventResponse.SUCCESS
_RETRY = callback_pb.TopicEventResponse.RETRY
_AT_ONCE = 32


class Subscriber:
    """Takes the events of some topics; made by `open_subscriber`."""

    def __init__(self, dapr: DaprConnection, pubsub: str, subscriptions: Sequence[Subscription]) -> None:
        self._dapr = dapr
        self._pubsub = pubsub
        self._runs = Runs(dapr)
        self._publisher = Publisher(dapr, pubsub)
        self._by_topic: dict[str, list[Subscription]] = {}
        for each in subscriptions:
            self._by_topic.setdefault(each.topic, []).append(each)
        self._waiting = set(self._by_topic)
        self._ready = anyio.Event()
        if not self._waiting:
            self._ready.set()
        self._call = cast("Any", dapr.channel).stream_stream(
            _METHOD,
            request_serializer=pubsub_pb.SubscribeTopicEventsRequestAlpha1.SerializeToString,
            response_deserializer=pubsub_pb.SubscribeTopicEventsResponseAlpha1.FromString,
        )

    async def wait_ready(self) -> None:
        """Wait until Dapr has taken each subscription."""
        await self._ready.wait()

    async def serve(self) -> None:
        """Take events until cancelled; a lost stream is opened again."""
        async with anyio.create_task_group() as group:
            for topic in self._by_topic:
                group.start_soon(self._serve_topic, topic)

    async def _serve_topic(self, topic: str) -> None:
        delay = 0.1
        while True:
            try:
                await self._take(topic)
                delay = 0.1
            except grpc.aio.AioRpcError as error:
                level = logging.INFO if error.code() == grpc.StatusCode.UNAVAILABLE else logging.WARNING
                _log.log(level, "topic %s: the subscription ended (%s: %s)", topic, error.code().name, error.details())
            await anyio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, 5.0)

    async def _take(self, topic: str) -> None:
        stream = self._call(metadata=self._dapr.metadata)
        limit = anyio.Semaphore(_AT_ONCE)
        writing = anyio.Lock()
        initial = pubsub_pb.SubscribeTopicEventsRequestInitialAlpha1(pubsub_name=self._pubsub, topic=topic)

        async def handle(message: callback_pb.TopicEventRequest) -> None:
            # A start that is broken off leaves Dapr with a turn for a worker that leaves, too: see `hub.workflows.due`.
            status = _RETRY
            with anyio.CancelScope(shield=True):
                status = await self._start_runs(topic, message)
            limit.release()
            processed = pubsub_pb.SubscribeTopicEventsRequestProcessedAlpha1(
                id=message.id, status=callback_pb.TopicEventResponse(status=status)
            )
            async with writing:
                await stream.write(pubsub_pb.SubscribeTopicEventsRequestAlpha1(event_processed=processed))

        try:
            await stream.write(pubsub_pb.SubscribeTopicEventsRequestAlpha1(initial_request=initial))
            async with anyio.create_task_group() as group:
                async for answer in cast("AsyncIterator[pubsub_pb.SubscribeTopicEventsResponseAlpha1]", stream):
                    if answer.HasField("initial_response"):
                        self._taken(topic)
                    elif answer.HasField("event_message"):
                        await limit.acquire()
                        group.start_soon(handle, answer.event_message)
        except* grpc.aio.AioRpcError as errors:
            raise errors.exceptions[0] from errors
        finally:
            stream.cancel()

    def _taken(self, topic: str) -> None:
        self._waiting.discard(topic)
        if not self._waiting:
            self._ready.set()

    async def _start_runs(self, topic: str, message: callback_pb.TopicEventRequest) -> Any:
        event = to_event(message)
        try:
            for subscription in self._by_topic[topic]:
                if subscription.wants(event):
                    await self._start_run(subscription, event)
        except HubError as error:
            _log.warning("event %s of topic %s: no run was started (%s); it comes again", event.id, topic, error)
            return _RETRY
        return _SUCCESS

    async def _start_run(self, subscription: Subscription, event: Event) -> None:
        try:
            await self._start_delivery(subscription, {"event": event.envelope}, event)
        except TooLargeError as error:
            _log.warning("event %s of topic %s can have no run (%s); it is put aside", event.id, event.topic, error)
            await self._put_aside(subscription, event, str(error))

    async def _put_aside(self, subscription: Subscription, event: Event, why: str) -> None:
        """Pass an event on to the dead letters that would never have a run, however often it came."""
        run_id = subscription.run_id(event)
        trace = as_event_attributes(trace_in(event.envelope))
        await self._publisher.publish(
            subscription.dead_letter_topic,
            event.data,
            event.type or None,
            event.source or subscription.name,
            {**trace, **subscription.dead_letter_attributes(event, run_id, why)},
            event_id=hashlib.sha256(run_id.encode()).hexdigest()[:32],
        )
        about = {key: value for key, value in event.envelope.items() if key != "data"}
        await self._start_delivery(subscription, {"event": about, "refused": why}, event)

    async def _start_delivery(self, subscription: Subscription, arguments: Mapping[str, Any], event: Event) -> None:
        run_id, trace = subscription.run_id(event), trace_in(event.envelope) or None
        await self._runs.start(subscription.delivery, arguments, run_id=run_id, meta=trace)


def to_event(message: callback_pb.TopicEventRequest) -> Event:
    """An event as Dapr delivers it."""
    further = cast("Mapping[str, Any]", MessageToDict(message.extensions))
    return Event(
        {
            **further,
            "id": message.id,
            "source": message.source,
            "type": message.type,
            "specversion": message.spec_version,
            "datacontenttype": message.data_content_type,
            "topic": message.topic,
            "pubsubname": message.pubsub_name,
            "data": decode_data(message.data, message.data_content_type),
        }
    )


@contextlib.asynccontextmanager
async def open_subscriber(
    dapr: DaprConnection, pubsub: str, subscriptions: Sequence[Subscription]
) -> AsyncGenerator[Subscriber]:
    """Run the subscriptions while the context lasts; a worker has to have their workflows."""
    subscriber = Subscriber(dapr, pubsub, subscriptions)
    async with anyio.create_task_group() as group:
        group.start_soon(subscriber.serve)
        try:
            yield subscriber
        finally:
            group.cancel_scope.cancel()
