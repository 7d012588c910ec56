"""A subscription's stream as a client that misbehaves sees it."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import grpc
import grpc.aio

from hub.sidecar import SidecarSettings
from hub.sidecar.broker import Subscriber
from hub.sidecar.cloudevents import CloudEvent
from hub.sidecar.proto import RUNTIME_SERVICE, pubsub_pb
from hub.sidecar.server import open_sidecar
from hub.sidecar.topics import WaitingEvent

SUBSCRIBE = pubsub_pb.SubscribeTopicEventsRequestAlpha1(
    initial_request=pubsub_pb.SubscribeTopicEventsRequestInitialAlpha1(pubsub_name="pubsub", topic="t")
)


@contextlib.asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncGenerator[grpc.aio.Channel]:
    async with (
        open_sidecar(SidecarSettings(db_path=folder / "s.db", **settings)) as sidecar,
        grpc.aio.insecure_channel(f"127.0.0.1:{sidecar.grpc_port}") as channel,
    ):
        yield channel


async def subscribed(channel: grpc.aio.Channel) -> Any:
    """A stream of bytes that is a subscription already."""
    client: Any = channel
    method = client.stream_stream(f"/{RUNTIME_SERVICE}/SubscribeTopicEventsAlpha1")
    stream = method()
    await stream.write(SUBSCRIBE.SerializeToString())
    assert pubsub_pb.SubscribeTopicEventsResponseAlpha1.FromString(await stream.read()).HasField("initial_response")
    return stream


async def test_an_answer_that_is_no_message_ends_the_subscription_with_the_reason(tmp_path: Path) -> None:
    async with opened(tmp_path) as channel:
        stream = await subscribed(channel)
        await stream.write(b"\xff\xff\xff")
        with anyio.fail_after(5):
            ended = await stream.code(), await stream.details()
    assert ended == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the message is no dapr.proto.runtime.v1.SubscribeTopicEventsRequestAlpha1",
    )


async def test_events_that_are_taken_back_before_they_are_read_are_not_sent() -> None:
    """One that is alive and does not read would have them in its queue once more with each lease."""
    subscriber = Subscriber(topic=("pubsub", "t"), dead_letter_topic="")
    for seq in range(3):
        event = CloudEvent({"id": f"event-{seq}", "source": "here", "type": "test", "specversion": "1.0"}, b"")
        subscriber.out[seq] = (WaitingEvent(seq=seq, event=event, deliveries=0), 0.0)
        request = event.to_request(pubsub="pubsub", topic="t")
        subscriber.messages.put_nowait(pubsub_pb.SubscribeTopicEventsResponseAlpha1(event_message=request))
    subscriber.messages.put_nowait(None)
    subscriber.take_back([0, 2])
    left = [subscriber.messages.get_nowait() for _ in range(subscriber.messages.qsize())]
    assert list(subscriber.out) == [1]
    assert [None if message is None else message.event_message.id for message in left] == ["event-1", None]
