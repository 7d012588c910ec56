"""A change of the file is noticed and read; a broken file is told and changes nothing."""

import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from hub.config import LoadedConfig, watch_config
from hub.errors import ConfigError
from tests.config.writing import load, write


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    return load(tmp_path, "servers: {a: {command: x}}")


async def following(found: AsyncGenerator[LoadedConfig | ConfigError, None]) -> list[str] | str:
    with anyio.fail_after(10):
        one = await anext(found)
    return str(one) if isinstance(one, ConfigError) else list(one.config.servers)


async def test_each_change_of_the_file_is_read_whether_it_is_right_or_wrong(
    loaded: LoadedConfig, tmp_path: Path
) -> None:
    found = watch_config(loaded, poll_s=0.02)

    write(tmp_path, "servers: {a: {command: x}, b: {command: y}}")
    assert await following(found) == ["a", "b"]
    write(tmp_path, "servers: {a: {comand: x}}")
    assert "did you mean `command`?" in await following(found)
    write(tmp_path, "servers: {c: {command: x}}", "new.yaml").replace(loaded.path)
    assert await following(found) == ["c"]
    loaded.path.unlink()
    assert "found no such file" in await following(found)
    write(tmp_path, "servers: {}")
    assert await following(found) == []
    await found.aclose()


async def test_a_hangup_reads_the_file_again_though_it_did_not_change(loaded: LoadedConfig) -> None:
    found = watch_config(loaded, poll_s=60)
    seen: list[list[str] | str] = []
    handler = signal.getsignal(signal.SIGHUP)

    async def follow() -> None:
        seen.append(await following(found))

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        with anyio.fail_after(10):
            while signal.getsignal(signal.SIGHUP) is handler:
                await anyio.lowlevel.checkpoint()
        os.kill(os.getpid(), signal.SIGHUP)

    await found.aclose()
    assert seen == [["a"]]


async def test_a_change_of_an_environment_file_counts(tmp_path: Path) -> None:
    write(tmp_path, "A=1", ".env")
    text = '{"servers": {"a": {"type": "stdio", "command": "x", "envFile": ".env"}}}'
    loaded = load(tmp_path, text, "mcp.json")
    found = watch_config(loaded, poll_s=0.02)

    write(tmp_path, "A=two", ".env")

    with anyio.fail_after(10):
        one = await anext(found)
    await found.aclose()
    assert isinstance(one, LoadedConfig)
    assert one.resolved.servers["a"].env == {"A": "two"}
