"""The hub's end of the guard: which groups of child processes must not outlive the hub."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
from anyio import to_thread

_GUARD = Path(__file__).with_name("guard.py")


class GroupGuard:
    """Keeps the guard program running from the first group on, and tells it each group."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._program: subprocess.Popen[bytes] | None = None
        self._lock = anyio.Lock()

    async def enrol(self, group_id: int) -> None:
        """Have a process group ended with the hub; once this returns, `kill -9` of the hub ends it too."""
        async with self._lock:
            self._groups.add(group_id)
            if self._tell(f"+{group_id}\n"):
                return
            await self._start()
            if not self._tell("".join(f"+{group}\n" for group in sorted(self._groups))):
                raise OSError("the guard process did not start")

    def dismiss(self, group_id: int) -> None:
        """Strike out a group that has ended."""
        self._groups.discard(group_id)
        self._tell(f"-{group_id}\n")

    async def aclose(self) -> None:
        program, self._program = self._program, None
        if program is not None and program.stdin is not None:
            program.stdin.close()
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(program.wait)

    async def _start(self) -> None:
        await self.aclose()
        self._program = await to_thread.run_sync(_start_guard)

    def _tell(self, lines: str) -> bool:
        if self._program is None or self._program.stdin is None:
            return False
        try:
            os.write(self._program.stdin.fileno(), lines.encode())
        except OSError:
            return False
        return True


def _start_guard() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program, no input in the arguments
        [sys.executable, "-I", "-S", str(_GUARD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,
        cwd="/",
        env={},
    )
