"""What LangGraph's checkpoints cost when they are kept in the state store of the embedded sidecar, call by call."""

import importlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from adapters.dapr_saver import DaprStore
from adapters.host.interop_hub_host.saver import StoreSaver
from adapters.host.interop_hub_host.storage import Store
from bench.sidecar import child


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCalls:
    """Medians."""

    memory_ms: float
    """A run with LangGraph's own saver in memory."""
    durable_ms: float
    """The same run with `DaprSaver`."""
    calls: float
    """How often a run calls the store."""
    call_ms: float
    """One such call, over gRPC and to the file."""


class _Timed:
    """A store that notes how long each call took."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.spent_ms: list[float] = []

    async def get(self, key: str) -> str | None:
        started = time.perf_counter()
        try:
            return await self._store.get(key)
        finally:
            self._note(started)

    async def put(self, items: Mapping[str, str]) -> None:
        started = time.perf_counter()
        await self._store.put(items)
        self._note(started)

    async def delete(self, keys: Iterable[str]) -> None:
        started = time.perf_counter()
        await self._store.delete(keys)
        self._note(started)

    def _note(self, started: float) -> None:
        self.spent_ms.append((time.perf_counter() - started) * 1000)


def measure_store(project: Path, module: str, count: int) -> StoreCalls:
    """Measure a 2-node graph with both savers in turns, on a sidecar process of its own."""
    with tempfile.TemporaryDirectory(prefix="saver-bench-") as folder:
        arguments = ["hub.sidecar", "--db", f"{folder}/s.db", "--grpc-port", "0", "--http-port", "0"]
        with child(arguments) as (_, told):
            ports: dict[str, Any] = json.loads(told)
            os.environ["DAPR_HTTP_PORT"] = str(ports["http_port"])  # where the SDK asks whether the sidecar is well
            sys.path.insert(0, str(project))
            try:
                return anyio.run(_measure, int(ports["grpc_port"]), importlib.import_module(module), count)
            finally:
                sys.path.remove(str(project))


async def _measure(port: int, module: Any, count: int) -> StoreCalls:
    from dapr.aio.clients import DaprClient

    memory: Any = importlib.import_module("langgraph.checkpoint.memory").InMemorySaver()
    took: dict[str, list[float]] = {"memory": [], "durable": []}
    async with DaprClient(f"127.0.0.1:{port}") as client:
        timed = _Timed(DaprStore(client, "statestore"))
        savers = {"memory": memory, "durable": StoreSaver(timed)}
        graphs: dict[str, Any] = {name: module.bench_graph(checkpointer=saver) for name, saver in savers.items()}
        for number in range(count):
            for name, graph in graphs.items():
                started = time.perf_counter()
                found = await graph.ainvoke({"text": "a"}, {"configurable": {"thread_id": str(number)}})
                took[name].append((time.perf_counter() - started) * 1000)
                assert found == {"text": "a12"}, found
    return StoreCalls(
        memory_ms=statistics.median(took["memory"]),
        durable_ms=statistics.median(took["durable"]),
        calls=len(timed.spent_ms) / count,
        call_ms=statistics.median(timed.spent_ms),
    )
