"""Start and stop programs, and read from `/proc` what a tree of processes costs."""

import os
import signal
import socket
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], *, log_path: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A program in a process group of its own; the group is ended on exit."""
    with log_path.open("ab") as log:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        yield program
    finally:
        _end(program)


def _end(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is not None:
        return
    os.killpg(program.pid, signal.SIGTERM)
    try:
        program.wait(8)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait(5)


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    pending = [pid]
    while pending:
        current = pending.pop()
        found.append(current)
        pending += children.get(current, [])
    return found


def _stat_fields(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the state on; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def cpu_s(pids: Sequence[int]) -> float:
    """User and system seconds of these processes together."""
    ticks = 0
    for pid in pids:
        if fields := _stat_fields(pid):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S


def pss_mb(pids: Sequence[int]) -> float:
    """Proportional set size of these processes together, in MiB: what they share with others counts in part."""
    return _memory_mb(pids, "Pss:")


def anonymous_mb(pids: Sequence[int]) -> float:
    """What these processes have allocated themselves, in MiB; what others do does not change it."""
    return _memory_mb(pids, "Anonymous:")


def together_mb(pids: Sequence[int]) -> float:
    """What these processes take up together, in MiB: all that they allocated, and what they map from files once.

    Unlike the proportional size it does not shrink when another process maps the same files.
    """
    mapped = [_memory_mb([pid], "Rss:") - _memory_mb([pid], "Anonymous:") for pid in pids]
    return anonymous_mb(pids) + max(mapped)


def resident_mb(pids: Sequence[int]) -> float:
    """The resident sizes of these processes added up, in MiB: what they share counts for each of them."""
    return _memory_mb(pids, "Rss:")


def _memory_mb(pids: Sequence[int], field: str) -> float:
    kib = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        kib += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith(field)), 0)
    return kib / 1024
