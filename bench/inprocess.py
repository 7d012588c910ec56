"""What the hub adds to a graph in its own process; bare runs and runs through the hub take turns, call by call."""

import importlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from adapters.inprocess import open_inprocess_provider
from adapters.settings import GraphSettings
from adapters.state import MemoryStore
from hub.catalog.provider import Answer, Era, Json, Provider
from hub.errors import UnsupportedError
from hub.upstream import Surroundings, open_links


@dataclass(kw_only=True)
class _Nobody:
    """A caller who is told nothing."""

    identity: str = "bench"
    era: Era = "modern"
    live: bool = False
    client_info: Json | None = None
    capabilities: Json = field(default_factory=dict[str, Any])
    wants_progress: bool = False
    log_level: str | None = None

    async def progress(self, params: Json) -> None: ...

    async def log(self, params: Json) -> None: ...

    async def ask(self, method: str, params: Json) -> Json:
        raise UnsupportedError("nobody is there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Medians in milliseconds."""

    bare: float
    hub: float
    added: float
    """Of the differences within a pair."""
    keyed: float
    """What a call with a key adds, whose steps are all kept in a store, here one in memory."""


def measure_pairs(project: Path, module: str, count: int) -> Pairs:
    """Measure a 2-node graph with LangGraph's saver in memory, and the same one through the hub."""
    return anyio.run(_measure, project, module, count)


async def _measure(project: Path, module: str, count: int) -> Pairs:
    with TemporaryDirectory() as folder:
        place = Path(folder)
        async with open_links(base_env={}, seal_key=b"bench" * 8, version="0") as links:
            around = Surroundings(folder=place, state=place, links=links, store=MemoryStore())
            settings = GraphSettings(graph=f"{module}.py:bench_graph", project=str(project), isolation="inprocess")
            async with open_inprocess_provider("graphs", "bench", settings, around) as provider:
                await provider.list("tools")
                return await _take_turns(provider, sys.modules[module], count)


async def _take_turns(provider: Provider, module: Any, count: int) -> Pairs:
    saver: Any = importlib.import_module("langgraph.checkpoint.memory").InMemorySaver()
    graph: Any = module.bench_graph(checkpointer=saver)
    bare: list[float] = []
    hub: list[float] = []
    keyed: list[float] = []

    async def call(spent: list[float], meta: Json) -> None:
        started = time.perf_counter()
        outcome = await provider.call({"name": "bench", "arguments": {"text": "a"}, "_meta": meta}, _Nobody())
        spent.append((time.perf_counter() - started) * 1000)
        assert isinstance(outcome, Answer)
        assert outcome.body["structuredContent"] == {"text": "a12"}, outcome.body

    for number in range(count):
        started = time.perf_counter()
        await graph.ainvoke({"text": "a"}, {"configurable": {"thread_id": str(number)}})
        bare.append((time.perf_counter() - started) * 1000)
        await call(hub, {})
        await call(keyed, {"hub/idempotencyKey": str(number)})
    return Pairs(
        bare=statistics.median(bare),
        hub=statistics.median(hub),
        added=statistics.median(two - one for one, two in zip(bare, hub, strict=True)),
        keyed=statistics.median(two - one for one, two in zip(bare, keyed, strict=True)),
    )
