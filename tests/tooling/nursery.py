"""Programs forked from a process that has loaded their modules: a start costs next to nothing, so kills can be dense.

`python -m tests.tooling.nursery MODULE...` loads modules, then takes one JSON line a request: a program is the function
`module:function`, called in a process of its own with `sys.argv` set.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn


class Nursery:
    """Starts programs and kills them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, target: str, arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> int:
        """Start a program; gives its process id."""
        return self._ask({"target": target, "arguments": [*arguments], "log": str(log), "env": {**(env or {})}})

    def kill(self, pid: int) -> None:
        """SIGKILL; returns when the process is gone.

        Raises:
            AssertionError: it had ended by itself.
        """
        signalled = self._ask({"kill": pid})
        assert signalled == signal.SIGKILL, f"the process had ended by itself: {signalled}"

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextlib.contextmanager
def open_nursery(*modules: str) -> Generator[Nursery]:
    """A process that has these modules; what it started is killed at the end."""
    command = [sys.executable, "-m", "tests.tooling.nursery", *modules]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process)


def serve(modules: Sequence[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a process with threads is not to be forked"
    gc.collect()
    gc.freeze()
    alive: set[int] = set()
    _say("ready")
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "kill" in request:
            alive.discard(request["kill"])
            _say(str(_kill(request["kill"])))
            continue
        pid = os.fork()
        if pid == 0:
            _become(request)
        alive.add(pid)
        _say(str(pid))
    for pid in alive:
        _kill(pid)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _kill(pid: int) -> int:
    """The signal that ended it, or 0."""
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _become(request: dict[str, Any]) -> NoReturn:
    """Be the program, in the child."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, place in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, place)
    os.environ.update(request["env"])
    module, _, name = request["target"].partition(":")
    sys.argv = [module, *request["arguments"]]
    code = 1
    try:
        code = getattr(importlib.import_module(module), name)()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - told here: nothing is left to tell it after `_exit`
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code or 0)


if __name__ == "__main__":
    serve(sys.argv[1:])
