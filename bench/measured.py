"""Owner of docs/measured.md: each suite that measures writes its own section and leaves the others as they are."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
MEASURED = _ROOT / "docs" / "measured.md"
_HEAD = """# Measured

Written by the suites themselves (`make bench`, `make test-all`); each section tells from which commit, machine and day
its values are. Ratios within one run count: absolute figures drift with the machine.
"""

Row = Sequence[str]


def write_section(title: str, rows: Sequence[Row], *, note: str = "", path: Path = MEASURED) -> None:
    """Put a table in place of the section of that title, or behind the last one.

    Args:
        title: the section's headline, unique in the file.
        rows: the table; the first row is its head.
        note: a line of prose above the table.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    head, *sections = text.split("\n## ")
    kept = {section.partition("\n")[0]: section for section in sections}
    kept[title] = _section(title, rows, note)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n\n## ".join(part.strip() for part in (head, *kept.values())) + "\n"
    path.write_text(text, encoding="utf-8")


def _section(title: str, rows: Sequence[Row], note: str) -> str:
    width = len(rows[0])
    lines = [_line(rows[0]), _line(["---"] * width), *(_line(row) for row in rows[1:])]
    parts = [title, "", provenance(), ""]
    if note:
        parts += [note, ""]
    return "\n".join([*parts, *lines])


def _line(cells: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def provenance() -> str:
    """Commit, machine and day in one line."""
    today = datetime.now(tz=UTC).date().isoformat()
    return f"Commit {_commit()} · {_machine()} · Python {platform.python_version()} · {today}"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/measured.md")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with local changes" if changed else "")


def _machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = f"{len(names)} cores of {names[0]}" if names else platform.machine()
    return f"{cores}, {sys.platform}"
