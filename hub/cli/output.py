"""What commands write: one JSON document, or text for people."""

import json
import re
import sys
from collections.abc import Sequence

_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """A server's text without what would steer the terminal."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def write_json(value: object) -> None:
    """The one document of a command with `--json`."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None) + "\n")
    sys.stdout.flush()


def write(text: str) -> None:
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Something for people beside the command's result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under headings: as wide as the terminal, or as wide as needed where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not sys.stdout.isatty())
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 1_000)
    with console.capture() as captured:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def first_line(text: str | None, limit: int = 100) -> str:
    """The first line of a description, shortened."""
    line = clean((text or "").strip().partition("\n")[0])
    return line if len(line) <= limit else line[: limit - 1] + "…"
