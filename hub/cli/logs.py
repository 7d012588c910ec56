"""`hub logs`: what a server writes on its standard error."""

import time
from collections import deque
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
    loaded, places = load(config)
    if name not in loaded.config.servers:
        known = ", ".join(loaded.config.servers) or "none"
        raise UnknownNameError(f"there is no server {name!r}; the configuration has: {known}")
    path = places.log_of(name)
    last = last_lines(path, lines)
    if as_json:
        write_json({"name": name, "file": str(path), "lines": last})
        return
    for line in last:
        write(line)
    if not last and not follow:
        note(f"{name} wrote nothing on its standard error yet ({path})")
    if follow:
        _follow(path)


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log and of the part before it; none where there is no log."""
    found: deque[str] = deque(maxlen=count)
    for part in (path.with_name(f"{path.name}.1"), path):
        if part.exists():
            with part.open(encoding="utf-8", errors="replace") as file:
                found.extend(clean(line.rstrip("\n")) for line in file)
    return list(found)


def _follow(path: Path) -> None:
    """Write what is added to the log; a log that was begun anew is read from its start."""
    position, inode = (path.stat().st_size, path.stat().st_ino) if path.exists() else (0, 0)
    while True:
        time.sleep(_POLL_S)
        if not path.exists():
            continue
        now = path.stat()
        if now.st_ino != inode or now.st_size < position:
            position, inode = 0, now.st_ino
        if now.st_size > position:
            with path.open("rb") as file:
                file.seek(position)
                data = file.read()
            position += len(data)
            write(clean(data.decode("utf-8", "replace")).rstrip("\n"))
