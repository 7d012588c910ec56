"""The host processes that a test has started."""

import os
import signal
from pathlib import Path


def kill_hosts() -> int:
    """SIGKILL to every host under this process; how many there were."""
    hosts = [process for process in _descendants(os.getpid()) if b"adapters/host/__main__.py" in _command(process)]
    for process in hosts:
        os.kill(process, signal.SIGKILL)
    return len(hosts)


def _descendants(parent: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _command(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()
