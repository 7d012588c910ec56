"""Runs LangGraph's own suite for checkpointers over one of ours; prints what passed.

Usage: python conformance_program.py memory|exclusive|sqlite FILE|dapr HOST:PORT STORE
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from langgraph.checkpoint.conformance import checkpointer_test, validate

from adapters.host.interop_hub_host.saver import StoreSaver
from adapters.host.interop_hub_host.storage import MemoryStore, SqliteStore


@checkpointer_test(name="StoreSaver")
async def saver() -> AsyncIterator[StoreSaver]:
    match sys.argv[1:]:
        case ["memory"]:
            yield StoreSaver(MemoryStore())
        case ["exclusive"]:
            yield StoreSaver(MemoryStore(), exclusive=True)
        case ["sqlite"]:
            with tempfile.TemporaryDirectory() as folder:
                yield StoreSaver(SqliteStore(Path(folder) / "state.sqlite3"))
        case ["dapr", address, store]:
            from dapr.aio.clients import DaprClient

            from adapters.dapr_saver import DaprSaver

            async with DaprClient(address) as client:
                yield DaprSaver(client, store, prefix=f"{uuid4().hex}/")


async def main() -> None:
    report = await validate(saver)
    print(json.dumps({"all": report.passed_all_base(), "report": report.to_dict()}, default=str))


asyncio.run(main())
