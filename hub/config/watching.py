"""Noticing that the configuration changed: by its file, and by SIGHUP."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import anyio
import anyio.to_thread

from hub.config.loading import load_config, stamp_of
from hub.config.settings import FileStamp, LoadedConfig
from hub.errors import ConfigError

_POLL_S = 0.5
_SETTLE_S = 0.05


async def watch_config(
    since: LoadedConfig, *, poll_s: float = _POLL_S
) -> AsyncGenerator[LoadedConfig | ConfigError, None]:
    """Read the file again each time it changed or the process got SIGHUP.

    Args:
        since: what was loaded before; a change after it is not missed.
        poll_s: seconds between two looks at the file and at the environment files it names.

    Yields:
        The new configuration; or what is wrong with it, and the old one goes on.
    """
    files, seen = tuple(Path(name) for name, *_ in since.stamp), since.stamp
    with _hangups() as hangup:
        while True:
            with anyio.move_on_after(poll_s):
                await hangup.wait()
            if not hangup.is_set() and stamp_of(files) == seen:
                continue
            hangup.clear()
            seen = await _settled(files)
            try:
                loaded = await anyio.to_thread.run_sync(load_config, since.path)
            except ConfigError as error:
                yield error
            else:
                files, seen = tuple(Path(name) for name, *_ in loaded.stamp), loaded.stamp
                yield loaded


async def _settled(files: tuple[Path, ...]) -> FileStamp:
    """The stamp once nobody writes any more: an editor may write a file in pieces."""
    stamp = stamp_of(files)
    while True:
        await anyio.sleep(_SETTLE_S)
        now = stamp_of(files)
        if now == stamp:
            return stamp
        stamp = now


@contextlib.contextmanager
def _hangups() -> Generator[asyncio.Event]:
    """An event that SIGHUP sets; only the main thread of a POSIX process hears it."""
    event = asyncio.Event()
    hangup: int | None = getattr(signal, "SIGHUP", None)
    loop = asyncio.get_running_loop()
    heard = False
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        if hangup is not None:
            loop.add_signal_handler(hangup, event.set)
            heard = True
    try:
        yield event
    finally:
        if heard and hangup is not None:
            loop.remove_signal_handler(hangup)
