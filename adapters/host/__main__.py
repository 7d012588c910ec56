"""Start of the host: first the wire is taken off the standard streams, then anything else is imported.

Whatever a framework prints goes to standard error, and a prompt on standard input sees the end of the file instead of
eating the client's messages.
"""

import os
import sys


def _take_the_wire() -> tuple[int, int]:
    reading, writing = os.dup(0), os.dup(1)
    os.set_inheritable(reading, False)
    os.set_inheritable(writing, False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reading, writing


if __name__ == "__main__":
    _reading, _writing = _take_the_wire()
    _here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs start-up time
    sys.path[:] = [_here, *(entry for entry in sys.path if entry != _here)]
    from interop_hub_host.program import main

    sys.path.remove(_here)
    main(sys.argv[1:], _reading, _writing)
