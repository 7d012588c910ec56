"""A program that holds one upstream server and prints its process id, to be killed by a test.

usage: hub_holding_a_server.py GRANDCHILD_FILE
"""

import os
import sys

import anyio

from hub.upstream import open_links, open_upstream
from tests.upstream.callers import Person
from tests.upstream.targets import odd, text_of, tool


async def main() -> None:
    async with open_links(base_env=dict(os.environ), seal_key=b"k", version="0") as links:
        settings = odd("--stubborn", "--grandchild", sys.argv[1], era="legacy")
        async with open_upstream("odd", settings, links=links, log_path=None) as server:
            await server.settled()
            print(text_of(await server.call(tool("pid"), Person())), flush=True)
            await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
