"""Starting and stopping servers again and again leaves nothing behind."""

import asyncio
import gc
from pathlib import Path

import anyio
import pytest

from hub.upstream import Links, ServerSettings, open_upstream
from tests.upstream.callers import Person
from tests.upstream.targets import odd, text_of, tool


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_cycles_leave_no_task_and_no_file_behind(way: str, links: Links, matrix_url: str) -> None:
    settings = odd(era="legacy") if way == "stdio" else ServerSettings(url=matrix_url)
    request = tool("echo", text="x") if way == "stdio" else tool("add", a=1, b=1)

    async def cycle() -> None:
        with anyio.fail_after(20):
            async with open_upstream("m", settings, links=links, log_path=None) as server:
                await server.settled()
                assert text_of(await server.call(request, Person()))

    for _ in range(3):
        await cycle()
    gc.collect()
    files, tasks = open_files(), len(asyncio.all_tasks())
    for _ in range(15):
        await cycle()
    gc.collect()
    with anyio.fail_after(10):
        while open_files() > files or len(asyncio.all_tasks()) > tasks:
            await anyio.wait_all_tasks_blocked()
    assert open_files() <= files
    assert len(asyncio.all_tasks()) <= tasks
