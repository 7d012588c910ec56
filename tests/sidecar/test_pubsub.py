"""Publish and subscribe."""

import json
import queue
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from dapr.aio.clients import DaprClient as AsyncDaprClient
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._response import TopicEventResponse

from tests.sidecar.processes import DaprApi
from tests.sidecar.scenario import new_id, wait_until

WAIT_S = 20


@contextmanager
def subscribed(dapr: DaprClient, dapr_api: DaprApi, topic: str, dead_letter_topic: str | None = None) -> Generator[Any]:
    subscription = dapr.subscribe(dapr_api.pubsub, topic, dead_letter_topic=dead_letter_topic)
    try:
        yield subscription
    finally:
        subscription.close()


def take(subscription: Any) -> Any:
    """The next event; the suite's time limit bounds the wait."""
    message = subscription.next_message()
    subscription.respond_success(message)
    return message


def test_a_subscriber_gets_the_data_and_where_it_came_from(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, json.dumps({"a": 1}), data_content_type="application/json")
        message = take(subscription)
    assert (message.data(), message.topic(), message.pubsub_name(), message.source()) == (
        {"a": 1},
        topic,
        dapr_api.pubsub,
        "hub",
    )
    assert (message.spec_version(), message.type(), message.data_content_type()) == (
        "1.0",
        "com.dapr.event.sent",
        "application/json",
    )


def test_text_and_bytes_come_as_they_are(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, "täxt", data_content_type="text/plain")
        text = take(subscription)
        dapr.publish_event(dapr_api.pubsub, topic, b"\x00\xff", data_content_type="application/octet-stream")
        binary = take(subscription)
    assert (text.data(), binary.raw_data()) == ("täxt", b"\x00\xff")


def test_a_cloud_event_keeps_its_own_attributes(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic, event_id = new_id(), new_id()
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "somewhere",
        "type": "a.b",
        "datacontenttype": "application/json",
        "data": [1, 2],
    }
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, json.dumps(event), data_content_type="application/cloudevents+json")
        message = take(subscription)
    assert (message.id(), message.source(), message.type(), message.data()) == (event_id, "somewhere", "a.b", [1, 2])


def test_attributes_can_be_given_as_metadata(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic, event_id = new_id(), new_id()
    metadata = {"cloudevent.id": event_id, "cloudevent.source": "me", "cloudevent.type": "x"}
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, "1", publish_metadata=metadata)
        message = take(subscription)
    assert (message.id(), message.source(), message.type()) == (event_id, "me", "x")


def test_the_trace_travels_with_the_event(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, "1", publish_metadata={"cloudevent.traceparent": parent})
        message = take(subscription)
    assert message.extensions()["traceparent"] == parent


def test_events_of_a_topic_come_in_their_order(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    with subscribed(dapr, dapr_api, topic) as subscription:
        got: list[int] = []
        for number in range(20):
            dapr.publish_event(dapr_api.pubsub, topic, str(number), data_content_type="application/json")
            got.append(take(subscription).data())
    assert got == list(range(20))


def test_a_topic_keeps_its_events_for_a_later_subscriber(dapr: DaprClient, dapr_api: DaprApi) -> None:
    if not dapr_api.keeps_events:
        pytest.skip("Dapr's broker in memory drops what nobody is subscribed to; Redis keeps it")
    topic = new_id()
    for number in range(3):
        dapr.publish_event(dapr_api.pubsub, topic, str(number), data_content_type="application/json")
    with subscribed(dapr, dapr_api, topic) as subscription:
        assert sorted(take(subscription).data() for _ in range(3)) == [0, 1, 2]


def test_an_event_that_is_to_be_tried_again_comes_again(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, "1")
        first = subscription.next_message()
        subscription.respond_retry(first)
        second = take(subscription)
    assert first.id() == second.id()


def test_a_dropped_event_does_not_come_again(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, "dropped")
        subscription.respond_drop(subscription.next_message())
        dapr.publish_event(dapr_api.pubsub, topic, "next")
        assert take(subscription).raw_data() == b"next"


def test_an_event_that_always_fails_goes_to_the_dead_letter_topic(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic, dead = new_id(), new_id()
    letters: queue.Queue[str] = queue.Queue()
    ids: list[str] = []
    with subscribed(dapr, dapr_api, dead) as dead_letters, subscribed(dapr, dapr_api, topic, dead) as subscription:
        reader = threading.Thread(target=lambda: letters.put(take(dead_letters).id()))
        reader.start()
        dapr.publish_event(dapr_api.pubsub, topic, "1")
        while len(ids) < 5:
            message = subscription.next_message()
            subscription.respond_retry(message)
            ids.append(message.id())
        assert {letters.get(timeout=WAIT_S)} == set(ids)
        reader.join()


def test_subscribers_of_one_topic_share_its_events(dapr: DaprClient, dapr_api: DaprApi) -> None:
    if not dapr_api.keeps_events:
        pytest.skip("Dapr's broker in memory gives each event to each stream; Redis shares them")
    topic = new_id()
    got: queue.Queue[tuple[int, int]] = queue.Queue()

    def consume_for_ever(number: int, subscription: Any) -> None:
        while True:
            got.put((number, take(subscription).data()))

    def consume(number: int, subscription: Any) -> None:
        with pytest.raises(Exception, match="Stream"):  # how the SDK tells that the subscription was closed
            consume_for_ever(number, subscription)

    with subscribed(dapr, dapr_api, topic) as first, subscribed(dapr, dapr_api, topic) as second:
        threads = [threading.Thread(target=consume, args=pair) for pair in ((1, first), (2, second))]
        for thread in threads:
            thread.start()
        for number in range(40):
            dapr.publish_event(dapr_api.pubsub, topic, str(number), data_content_type="application/json")
        events = [got.get(timeout=WAIT_S) for _ in range(40)]
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(value for _, value in events) == list(range(40))
    assert {consumer for consumer, _ in events} == {1, 2}


def test_what_a_subscriber_leaves_unanswered_goes_to_the_next(dapr: DaprClient, dapr_api: DaprApi) -> None:
    if not dapr_api.keeps_events:
        pytest.skip("Dapr's broker in memory has nobody to give it to")
    topic = new_id()
    with subscribed(dapr, dapr_api, topic) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, "1")
        left = subscription.next_message()
    with subscribed(dapr, dapr_api, topic) as subscription:
        assert take(subscription).id() == left.id()


def test_many_events_are_published_at_once(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    events = [str(number) for number in range(5)]
    with subscribed(dapr, dapr_api, topic) as subscription, ThreadPoolExecutor(1) as pool:
        # In a thread: Dapr's broker in memory keeps the publisher waiting for the subscriber.
        publishing = pool.submit(
            dapr.publish_events, dapr_api.pubsub, topic, events, data_content_type="application/json"
        )
        got = sorted(take(subscription).data() for _ in range(5))
        answer = publishing.result(WAIT_S)
    assert (list(answer.failed_entries), got) == ([], [0, 1, 2, 3, 4])


def test_a_broker_that_is_not_there_is_named_in_the_error(dapr: DaprClient) -> None:
    with pytest.raises(DaprGrpcError) as caught:
        dapr.publish_event("nowhere", "topic", "1")
    assert "nowhere" in str(caught.value.details())


def test_data_that_claims_to_be_a_cloud_event_must_be_one(dapr: DaprClient, dapr_api: DaprApi) -> None:
    with pytest.raises(DaprGrpcError):
        dapr.publish_event(dapr_api.pubsub, new_id(), "no json", data_content_type="application/cloudevents+json")


def test_an_event_whose_time_is_over_is_not_delivered(dapr: DaprClient, dapr_api: DaprApi) -> None:
    if not dapr_api.keeps_events:
        pytest.skip("Dapr's broker in memory drops what nobody is subscribed to")
    topic, key = new_id(), new_id()
    dapr.publish_event(dapr_api.pubsub, topic, "old", publish_metadata={"ttlInSeconds": "1"})
    dapr.save_state(dapr_api.state_store, key, "1", state_metadata={"ttlInSeconds": "1"})
    wait_until(lambda: dapr.get_state(dapr_api.state_store, key).data == b"", "a second has passed")
    dapr.publish_event(dapr_api.pubsub, topic, "new")
    with subscribed(dapr, dapr_api, topic) as subscription:
        assert take(subscription).raw_data() == b"new"


def test_a_dropped_event_of_a_subscription_with_a_dead_letter_topic_goes_there(
    dapr: DaprClient, dapr_api: DaprApi
) -> None:
    topic, dead = new_id(), new_id()
    with subscribed(dapr, dapr_api, dead) as dead_letters, subscribed(dapr, dapr_api, topic, dead) as subscription:
        dapr.publish_event(dapr_api.pubsub, topic, "1")
        message = subscription.next_message()
        subscription.respond_drop(message)
        assert take(dead_letters).id() == message.id()


def test_a_handler_gets_the_events_of_its_topic(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    got: queue.Queue[bytes] = queue.Queue()

    def handle(message: Any) -> TopicEventResponse:
        got.put(message.raw_data())
        return TopicEventResponse("success")

    untyped: Any = dapr
    close = untyped.subscribe_with_handler(dapr_api.pubsub, topic, handle)
    dapr.publish_event(dapr_api.pubsub, topic, "1")
    try:
        assert got.get(timeout=WAIT_S) == b"1"
    finally:
        close()


async def test_the_asynchronous_client_publishes_subscribes_and_stores(dapr: DaprClient, dapr_api: DaprApi) -> None:
    topic = new_id()
    address = f"{dapr_api.host}:{dapr_api.grpc_port}"
    made: Any = AsyncDaprClient(address=address)
    async with made as client:
        subscription = await client.subscribe(dapr_api.pubsub, topic)
        await client.publish_event(dapr_api.pubsub, topic, "async")
        message = await subscription.next_message()
        await subscription.respond_success(message)
        await subscription.close()
        await client.save_state(dapr_api.state_store, topic, "stored")
        found = await client.get_state(dapr_api.state_store, topic)
    assert (message.raw_data(), found.data) == (b"async", b"stored")
