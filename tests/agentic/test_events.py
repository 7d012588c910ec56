"""Events: one event, one run, once; a handler that fails is tried again, then its event is put aside."""

from collections.abc import Callable
from typing import Any, cast

import anyio
import pytest
from dapr.proto.runtime.v1 import pubsub_pb2 as pubsub_pb
from pydantic import BaseModel

from hub import AgentRunner, DurableAgent
from hub.errors import InvalidInputError, UnknownNameError, UnsupportedError
from hub.events import DeadLetters, Event, Subscription
from hub.events.publish import Publisher
from hub.events.subscriber import to_event
from hub.workflows import DaprAddress, DaprConnection, RetryPolicy, open_connection
from tests.agentic.patience import until

RunnerOf = Callable[..., AgentRunner]
FAST = RetryPolicy(max_attempts=2, first_delay_s=0.01)


class Findings(BaseModel):
    topic: str
    score: int


class Seen:
    """What handlers were given; waits for so many."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._changed = anyio.Event()

    def add(self, item: Any) -> None:
        if item not in self.items:  # a durable function runs again on each replay
            self.items.append(item)
            self._changed.set()

    async def wait(self, count: int) -> list[Any]:
        with anyio.fail_after(20):
            while len(self.items) < count:
                await self._changed.wait()
                self._changed = anyio.Event()
        return self.items


async def first_event(connection: DaprConnection, topic: str) -> Event:
    """The first event that a topic keeps."""
    stream = cast("Any", connection.channel).stream_stream(
        "/dapr.proto.runtime.v1.Dapr/SubscribeTopicEventsAlpha1",
        request_serializer=pubsub_pb.SubscribeTopicEventsRequestAlpha1.SerializeToString,
        response_deserializer=pubsub_pb.SubscribeTopicEventsResponseAlpha1.FromString,
    )(metadata=connection.metadata)
    initial = pubsub_pb.SubscribeTopicEventsRequestInitialAlpha1(pubsub_name="pubsub", topic=topic)
    await stream.write(pubsub_pb.SubscribeTopicEventsRequestAlpha1(initial_request=initial))
    try:
        while True:
            answer = await stream.read()
            if answer.HasField("event_message"):
                return to_event(answer.event_message)
    finally:
        stream.cancel()


def topic_of(request: pytest.FixtureRequest) -> str:
    return request.node.name.partition("[")[0].removeprefix("test_")[:50]


async def test_a_handler_gets_what_was_published(runner_of: RunnerOf, request: Any) -> None:
    topic, seen = topic_of(request), Seen()
    agent = DurableAgent(model="offline")
    runner = runner_of(agent)

    @runner.subscribe(topic)
    async def handle(event: Event) -> None:
        seen.add((event["topic"], dict(event), event.type, event.source, bool(event.id)))

    async with runner:
        await agent.publish(topic, {"topic": "cats", "score": 3})
        assert await seen.wait(1) == [("cats", {"topic": "cats", "score": 3}, "hub.event", "durable_agent", True)]


async def test_two_agents_work_together_by_an_event(runner_of: RunnerOf, request: Any) -> None:
    topic, seen = topic_of(request), Seen()

    class Researcher(DurableAgent):
        model = "offline"

        async def research(self, subject: str) -> str:
            found = await self.llm.generate(f"all about {subject}")
            await self.publish(topic, {"findings": found})
            return found

    class Writer(DurableAgent):
        model = "offline"

        async def draft(self, findings: str) -> str:
            return f"Draft: {findings}"

    researcher, writer = Researcher(), Writer()
    runner = runner_of(researcher, writer)

    @runner.subscribe(topic)
    async def handle(event: Event) -> None:
        seen.add(await writer.draft(event["findings"]))

    async with runner:
        assert await researcher.research("cats") == "all about cats"
        assert await seen.wait(1) == ["Draft: all about cats"]


async def test_an_event_that_comes_twice_starts_one_run(runner_of: RunnerOf, dapr: DaprAddress, request: Any) -> None:
    topic, seen = topic_of(request), Seen()
    runner = runner_of(DurableAgent(model="offline"))

    @runner.subscribe(topic)
    async def handle(event: Event) -> None:
        seen.add((event.id, event["n"]))

    async with runner, open_connection(dapr) as connection:
        publisher = Publisher(connection, "pubsub")
        for _ in range(2):
            await publisher.publish(topic, {"n": 1}, None, "test", {"id": "ignored"}, event_id="same")
        await publisher.publish(topic, {"n": 3}, None, "test", event_id="other")
        assert sorted(await seen.wait(2)) == [("other", 3), ("same", 1)]
        runs = await runner.runs.list(workflow=f"hub.event.{topic}.handle")
    assert sorted(each.run_id for each in runs) == [f"{topic}.handle:test:other", f"{topic}.handle:test:same"]


async def test_types_and_expressions_choose_events(runner_of: RunnerOf, request: Any) -> None:
    topic, seen = topic_of(request), Seen()
    agent = DurableAgent(model="offline")
    runner = runner_of(agent)

    @runner.subscribe(topic, type="urgent")
    async def by_type(event: Event) -> None:
        seen.add(("type", event.data["score"]))

    @runner.subscribe(topic, where="event.data.score > 5 && event.type != 'urgent'")
    async def by_expression(event: Event) -> None:
        seen.add(("expression", event.data["score"]))

    async with runner:
        for kind, score in (("urgent", 1), ("urgent", 9), ("plain", 2), ("plain", 8)):
            await agent.publish(topic, {"score": score}, type=kind)
        await agent.publish(topic, "no object", type="plain")
        assert sorted(await seen.wait(3)) == [("expression", 8), ("type", 1), ("type", 9)]


async def test_a_failing_handler_is_tried_again_and_its_event_put_aside(
    runner_of: RunnerOf, dapr: DaprAddress, request: Any
) -> None:
    topic, tries, dead = topic_of(request), Seen(), Seen()
    agent = DurableAgent(model="offline")
    runner = runner_of(agent)

    @runner.subscribe(topic, retry=FAST)
    async def fails(event: Event) -> None:
        tries.add(agent.context.run_id)
        raise ValueError(f"no {event['what']}")

    @runner.subscribe(f"{topic}.dead")
    async def put_aside(event: Event) -> None:
        dead.add((event["what"], event.envelope["hubtopic"], event.envelope["huberror"], event.type))

    async with runner:
        await agent.publish(topic, {"what": "bread"}, type="order")
        assert await dead.wait(1) == [("bread", topic, "ValueError: no bread", "order")]
        assert len(tries.items) == 2
        with anyio.fail_after(10):
            await until(lambda: runner.runs.list(workflow=f"hub.event.{topic}.fails", statuses=["failed"]))
        async with open_connection(dapr) as connection:
            letters = DeadLetters(connection)
            [letter] = await letters.list(topic=topic)
            assert (letter.event["what"], letter.handler, letter.error) == (
                "bread",
                f"{topic}.fails",
                "ValueError: no bread",
            )
            replayed = await letters.replay(letter.run_id)
            assert (await runner.runs.wait(replayed, timeout_s=20)).status == "failed"
            assert [each.run_id for each in await letters.list(topic=topic)] == [replayed]
            with pytest.raises(UnknownNameError, match="no dead letter"):
                await letters.replay("nothing")


async def test_an_event_that_no_run_can_hold_is_put_aside_at_once(
    runner_of: RunnerOf, dapr: DaprAddress, request: Any
) -> None:
    topic, seen = topic_of(request), Seen()
    agent = DurableAgent(model="offline")
    runner = runner_of(agent)

    @runner.subscribe(topic)
    async def read(event: Event) -> None:
        seen.add(event["text"])

    async with runner, open_connection(dapr) as connection:
        publisher = Publisher(connection, "pubsub")
        await publisher.publish(topic, {"text": "x" * 3_000_000}, None, "test", event_id="large")
        await publisher.publish(topic, {"text": "small"}, None, "test", event_id="small")
        assert await seen.wait(1) == ["small"]
        with anyio.fail_after(20):
            put_aside = await first_event(connection, f"{topic}.dead")
            letters = DeadLetters(connection)
            found = await until(lambda: letters.list(topic=topic))
        assert [(each.event.id, each.handler, each.event.data) for each in found] == [("large", f"{topic}.read", None)]
        assert "the limit is 2,097,152" in found[0].error
        with pytest.raises(UnsupportedError, match="its data went to the dead-letter topic alone"):
            await letters.replay(found[0].run_id)
    assert len(put_aside["text"]) == 3_000_000
    assert put_aside.envelope["hubeventid"] == "large"


@pytest.mark.parametrize("source", ["https://shop.example/orders?day=1#7", "ü" * 300])
async def test_any_source_will_do(runner_of: RunnerOf, dapr: DaprAddress, request: Any, source: str) -> None:
    topic, seen = f"{topic_of(request)}/{len(source)}", Seen()
    agent = DurableAgent(model="offline")
    runner = runner_of(agent)

    @runner.subscribe(topic)
    async def read(event: Event) -> None:
        seen.add((event.source, await agent.run(str(event["n"]))))

    async with runner, open_connection(dapr) as connection:
        for event_id in ("a", "a", "b"):
            await Publisher(connection, "pubsub").publish(topic, {"n": event_id}, None, source, event_id=event_id)
        assert sorted(await seen.wait(2)) == [(source, "a"), (source, "b")]
        runs = await runner.runs.list(workflow=f"hub.event.{topic}.read")
    assert len(runs) == 2


async def test_an_annotated_handler_gets_the_data_checked(runner_of: RunnerOf, request: Any) -> None:
    topic, seen = topic_of(request), Seen()
    agent = DurableAgent(model="offline")
    runner = runner_of(agent)

    @runner.subscribe(topic)
    async def typed(event: Findings) -> None:
        seen.add(event)

    @runner.subscribe(f"{topic}.dead")
    async def put_aside(event: Event) -> None:
        seen.add(event.data)

    async with runner:
        await agent.publish(topic, {"topic": "cats", "score": "many"})
        await agent.publish(topic, {"topic": "cats", "score": 3})
        found = await seen.wait(2)
        assert Findings(topic="cats", score=3) in found
        assert {"topic": "cats", "score": "many"} in found


async def test_a_subscriber_that_comes_later_gets_what_was_kept(
    runner_of: RunnerOf, dapr_api: Any, request: Any
) -> None:
    if not dapr_api.keeps_events:
        pytest.skip("this broker keeps nothing")
    topic, seen = topic_of(request), Seen()
    agent = DurableAgent(model="offline")
    async with runner_of(agent):
        await agent.publish(topic, {"n": 1})
    later = runner_of(agent)

    @later.subscribe(topic)
    async def handle(event: Event) -> None:
        seen.add(event["n"])

    async with later:
        assert await seen.wait(1) == [1]


def test_what_is_no_handler_or_no_expression_is_refused() -> None:
    def plain(event: Any) -> None: ...

    async def two(event: Any, more: Any) -> None: ...

    async def fine(event: Any) -> None: ...

    with pytest.raises(InvalidInputError, match="expected an `async def` function"):
        Subscription("t", cast("Any", plain))
    with pytest.raises(InvalidInputError, match="takes the event and nothing else"):
        Subscription("t", cast("Any", two))
    with pytest.raises(InvalidInputError, match="is no CEL expression"):
        Subscription("t", fine, where="event.data ==")
