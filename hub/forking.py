"""gRPC must leave forks alone in a process that starts programs.

gRPC answers to a fork for the sake of a child that would go on with its connections. A child of ours never does: it
becomes another program at once. But gRPC's answer, cut short wherever a thread is inside it, ends one child of six by
SIGSEGV before it is that program, and closes connections under its parent. It is asked for by default, read once as
gRPC is imported, and run by uvloop's way of starting programs, not by asyncio's own.

Source: gRPC, doc/fork_support.md; counted with grpcio 1.85.1 and uvloop 0.23.0.
"""

import os
import sys
from typing import Final

VARIABLE: Final = "GRPC_ENABLE_FORK_SUPPORT"
_OFF: Final = frozenset({"0", "f", "false", "n", "no"})

_is_users: Final = bool(os.environ.get(VARIABLE))
_was_read: Final = "grpc" in sys.modules


def leave_to_us() -> None:
    """Ask gRPC to leave forks alone, unless the user asked for something or gRPC was imported before the hub."""
    if not _is_users and not _was_read:
        os.environ[VARIABLE] = "0"


def is_ours() -> bool:
    """Whether the variable is the hub's own doing, and nothing that programs beside it should get."""
    return not _is_users


def is_safe() -> bool:
    """Whether programs may be started in any way; else by asyncio's own loop alone."""
    return not (_was_read and not _is_users) and os.environ.get(VARIABLE, "").lower() in _OFF
