"""A small program that turns into a server's program once the guard knows of it.

Run by path, with the standard library alone (`python -I -S launcher.py`), as the leader of a new process group. It
waits for one line on its standard input: the size of a JSON object, which follows at once: `argv`, `env` and `cwd`. The
hub writes that only after the group is registered at the guard, so a hub that is killed in between leaves nothing
behind: the pipe closes and this program ends. What comes after the object is the server's own input.
"""

import json
import os
import signal
import sys

CANNOT_START = 126


def read_exactly(fd: int, size_bytes: int) -> bytes:
    """Take no byte more than asked: the rest of the pipe belongs to the server."""
    data = b""
    while len(data) < size_bytes:
        chunk = os.read(fd, size_bytes - len(data))
        if not chunk:
            sys.exit(0)
        data += chunk
    return data


def main() -> None:
    digits = b""
    while not digits.endswith(b"\n"):
        digits += read_exactly(0, 1)
    order = json.loads(read_exactly(0, int(digits)))
    for number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)):
        signal.signal(number, signal.SIG_DFL)  # Python ignores these; a program expects them as a shell leaves them
    try:
        if order["cwd"] is not None:
            os.chdir(order["cwd"])
        os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - the very purpose of this program
    except OSError as error:
        sys.stderr.write(f"cannot start the server's program: {error.strerror}\n")
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
