"""The tour's last stop: two durable agents, killed in the middle, in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
from anyio.streams.text import TextReceiveStream

CHECKOUT = Path(__file__).resolve().parents[2]


class ResearchFailedError(Exception):
    """The durable research did not go as it should."""


async def show_research(say: Callable[[str], None]) -> None:
    """Run the durable research and pass on what it says; nothing of it is left behind, whatever happens.

    Raises:
        ResearchFailedError: its own check failed.
    """
    process = await anyio.open_process(
        [sys.executable, "-m", "examples.durable_research.demo"],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stderr=None,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        async for text in TextReceiveStream(process.stdout):
            say(text.rstrip("\n"))
        await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()
    if process.returncode != 0:
        raise ResearchFailedError("the durable research did not go on as it should")
