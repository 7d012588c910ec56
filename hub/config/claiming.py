"""One process at a time has something: claimed by a lock, which the system drops when the process is gone."""

import contextlib
import os
import re
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def claim(path: Path) -> Generator[bool]:
    """Claim what a lock file stands for, for as long as the context lasts.

    Yields:
        Whether the claim holds; false: another process has it. The system drops the claim of a killed process.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def is_alive(pid: int, start: str | None) -> bool:
    """Whether the process lives that had this number and started then.

    Args:
        start: what `process_start` said of it; None: it is not known.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = process_start(pid)
    return start is None or now is None or now == start


def process_start(pid: int) -> str | None:
    """Boot and clock ticks at which the process started; None where the system does not tell.

    Source: proc(5), /proc/[pid]/stat field 22.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    fields = re.sub(r"^.*\)", "", stat, flags=re.DOTALL).split()
    return f"{boot}:{fields[19]}" if len(fields) > 19 else None
