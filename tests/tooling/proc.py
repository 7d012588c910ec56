"""What `/proc` tells about processes: who descends from whom, and who of them is still there."""

import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: str
    """Clock ticks since boot."""
    command: str


def descendants(pid: int) -> list[Process]:
    """All children, grandchildren and so on that live now; zombies do not."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _read(int(entry.name))):
            parent, process = found
            children.setdefault(parent, []).append(process)
    result: list[Process] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        result += below
        pending += [process.pid for process in below]
    return sorted(result)


def alive(processes: Iterable[Process]) -> list[Process]:
    """Those that live on."""
    return [process for process in processes if (found := _read(process.pid)) and found[1].started == process.started]


def left_after(processes: Collection[Process], *, deadline_s: float) -> list[Process]:
    """Those that still live when the deadline is over; empty as soon as all have ended."""
    ends_at = time.monotonic() + deadline_s
    while (left := alive(processes)) and time.monotonic() < ends_at:
        time.sleep(0.02)
    return left


def open_descriptors() -> dict[str, str]:
    """This process's descriptors: number -> what it points to (`socket:[1]`, `pipe:[2]`, a path)."""
    found: dict[str, str] = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except OSError:  # the listing's own descriptor
            continue
    return found


def _read(pid: int) -> tuple[int, Process] | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    if fields[0] in "ZX":
        return None
    words = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return int(fields[1]), Process(pid, fields[19], words)


def end(process: Process) -> None:
    """Have nothing of a failed test live on."""
    for found in alive([process]):
        os.kill(found.pid, 9)
