"""`hub logs`: what a server writes on its standard error."""

import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.failures import UsageError
from hub.cli.options import ConfigOption, JsonOption, load
from hub.cli.output import clean, note, write, write_json
from hub.errors import UnknownNameError

_POLL_S = 0.2


def logs(
    name: Annotated[str, typer.Argument(help="The server's name in the configuration.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="Lines from the end.")] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the last lines that a server wrote on its standard error."""
    if follow and as_json:
        raise UsageError("found --follow and --json; expected one: a stream is not one document; leave one out")
    from hub.config import adapter_entries

    loaded, places = load(config)
    names = [*loaded.config.servers, *adapter_entries(loaded.sections)]
    if name not in names:
        known = ", ".join(names) or "none"
        raise UnknownNameError(f"there is no server {name!r}; the configuration has: {known}")
    path = places.log_of(name)
    end = _end_of(path)
    last = last_lines(path, lines, end)
    if as_json:
        write_json({"name": name, "file": str(path), "lines": last})
        return
    for line in last:
        write(line)
    sys.stdout.flush()
    if not last and not follow:
        note(f"{name} wrote nothing on its standard error yet ({path})")
    if follow:
        _follow(path, end)


@dataclass(frozen=True, slots=True)
class _End:
    """How far a log was read."""

    inode: int
    position_bytes: int


def last_lines(path: Path, count: int, end: _End) -> list[str]:
    """The last lines of a log up to `end`, and of the part before it; none where there is no log."""
    found: deque[str] = deque(maxlen=count)
    before = path.with_name(f"{path.name}.1")
    for part, size_bytes in ((before, None), (path, end.position_bytes)):
        if part.exists():
            with part.open("rb") as file:
                found.extend(clean(file.read(size_bytes).decode("utf-8", "replace")).splitlines())
    return list(found)


def _end_of(path: Path) -> _End:
    if not path.exists():
        return _End(0, 0)
    now = path.stat()
    return _End(now.st_ino, now.st_size)


def _follow(path: Path, end: _End) -> None:
    """Write what is added to the log; a log that was begun anew is read from its start."""
    while True:
        time.sleep(_POLL_S)
        now = _end_of(path)
        if now.inode != end.inode or now.position_bytes < end.position_bytes:
            end = _End(now.inode, 0)
        if now.position_bytes > end.position_bytes:
            with path.open("rb") as file:
                file.seek(end.position_bytes)
                data = file.read(now.position_bytes - end.position_bytes)
            end = _End(end.inode, end.position_bytes + len(data))
            write(clean(data.decode("utf-8", "replace")).rstrip("\n"))
            sys.stdout.flush()
