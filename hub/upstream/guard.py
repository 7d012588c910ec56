"""A small program that ends the groups of child processes when the hub is gone, however the hub went.

Run by path, with the standard library alone (`python -I -S guard.py`). Its standard input is a pipe from the hub:
`+ID` registers a process group, `-ID` strikes it out. The pipe closes when the hub ends, also after `kill -9`; the
groups that are then still registered are ended, grandchildren included: SIGTERM, and SIGKILL a second later.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 1.0
POLL_S = 0.05


def signal_group(group_id: int, number: int) -> bool:
    """Signal a group; whether there still is one."""
    try:
        os.killpg(group_id, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_groups(groups: Iterable[int], grace_s: float = GRACE_S) -> None:
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(POLL_S)
        left = {group for group in left if signal_group(group, 0)}
    for group in left:
        signal_group(group, signal.SIGKILL)


def registered_until_closed(fd: int) -> set[int]:
    """Keep the register until the hub's end of the pipe closes; the groups that are left in it."""
    groups: set[int] = set()
    tail = b""
    while chunk := os.read(fd, 65_536):
        *lines, tail = (tail + chunk).split(b"\n")
        for line in lines:
            number = line[1:]
            if not number.isdigit() or int(number) < 2:
                continue
            if line.startswith(b"+"):
                groups.add(int(number))
            else:
                groups.discard(int(number))
    return groups


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_groups(registered_until_closed(sys.stdin.fileno()))


if __name__ == "__main__":
    main()
