"""The ledger of effects: a process of its own that is never killed, and what speaks to it.

`python -m tests.durable.ledger` prints its port, then takes one JSON line per effect and answers each with a line.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from typing import cast

READ = "?"


async def write_effect(port: int, key: str) -> None:
    """Note that the effect with this key happens now."""
    await _say(port, key)


async def read_effects(port: int) -> Mapping[str, Sequence[float]]:
    """Times of all effects, by key."""
    return cast("Mapping[str, Sequence[float]]", json.loads(await _say(port, READ)))


async def _say(port: int, line: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        writer.write(line.encode() + b"\n")
        await writer.drain()
        return (await reader.readline()).decode()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.contextmanager
def running_ledger() -> Generator[int]:
    """The ledger's process; gives its port."""
    process = subprocess.Popen([sys.executable, "-m", "tests.durable.ledger"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdout.close()
        process.kill()
        process.wait(10)


async def serve() -> None:
    effects: defaultdict[str, list[float]] = defaultdict(list)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            line = (await reader.readline()).decode().strip()
            if line == READ:
                writer.write(json.dumps(effects).encode() + b"\n")
            elif line:
                effects[line].append(time.time())
                writer.write(b"noted\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
