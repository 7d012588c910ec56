"""A program in which gRPC is busy while it starts others: prints how these ended, and on which loop it ran.

Its argument is what it imports first, `hub` or `grpc`.
"""

import asyncio
import importlib
import json
import sys
from collections import Counter
from typing import Any, cast

CALLERS = 4
STARTERS = 8
PROGRAMS_EACH = 40


async def _echo(request: bytes, _context: object) -> bytes:
    return request


async def _count(grpc: Any) -> Counter[str]:
    aio = grpc.aio
    server = aio.server()
    echo = grpc.unary_unary_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Service", {"Echo": echo}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    outcomes: Counter[str] = Counter()

    async def call_on() -> None:
        while True:
            async with aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
                for _ in range(5):
                    try:
                        await channel.unary_unary("/Service/Echo")(b"hello")
                    except aio.AioRpcError as error:
                        outcomes[f"a call: {error.code().name}"] += 1

    async def start_programs() -> None:
        for _ in range(PROGRAMS_EACH):
            process = await asyncio.create_subprocess_exec("true", start_new_session=True)
            outcomes[f"a program: {await process.wait()}"] += 1

    callers = [asyncio.create_task(call_on()) for _ in range(CALLERS)]
    await asyncio.gather(*[start_programs() for _ in range(STARTERS)])
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await server.stop(0)
    return outcomes


def main(first: str) -> None:
    importlib.import_module(first)
    grpc = importlib.import_module("grpc")
    importlib.import_module("grpc.aio")
    forking = importlib.import_module("hub.forking")
    uvloop = cast("Any", importlib.import_module("uvloop"))
    loop, run = ("uvloop", uvloop.run) if forking.is_safe() else ("asyncio", asyncio.run)
    print(json.dumps({"loop": loop, "outcomes": run(_count(grpc))}))


if __name__ == "__main__":
    main(sys.argv[1])
