"""`hub` as a user runs it, in a folder with a state of its own."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hub.catalog.provider import Json

_HUB = str(Path(sys.executable).with_name("hub"))
_LONGEST_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str

    def json(self) -> Json:
        return cast("Json", json.loads(self.out))


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder in which commands run."""

    path: Path

    def environment(self, **more: str) -> dict[str, str]:
        own = {name: str(self.path / name) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        return {**clean, **own, "TERM": "dumb", "COLUMNS": "200", **more}

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def with_notes(self) -> None:
        """Configure the notes server, whose data stay in the folder."""
        notes = {"command": sys.executable, "args": ["-m", "mcp_servers.notes", "--db", str(self.path / "notes.db")]}
        self.write("hub.yaml", json.dumps({"servers": {"notes": notes}}))

    def run(self, *words: str, stdin: str = "", **variables: str) -> Ended:
        done = subprocess.run(
            [_HUB, *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.path,
            env=self.environment(**variables),
            timeout=_LONGEST_S,
            check=False,
        )
        return Ended(code=done.returncode, out=done.stdout, err=done.stderr)

    def run_in_terminal(self, *words: str, answers: list[tuple[str, str]]) -> Ended:
        """Run a command on a terminal; each answer is typed once its prompt is there."""
        leader, follower = pty.openpty()
        with subprocess.Popen(
            [_HUB, *words],
            stdin=follower,
            stdout=subprocess.PIPE,
            stderr=follower,
            cwd=self.path,
            env=self.environment(),
            start_new_session=True,
        ) as process:
            os.close(follower)
            shown = _converse(leader, answers)
            out, _ = process.communicate(timeout=_LONGEST_S)
        os.close(leader)
        return Ended(code=process.returncode, out=out.decode(), err=shown)


def _converse(leader: int, answers: list[tuple[str, str]]) -> str:
    shown, left, ends_at = "", list(answers), time.monotonic() + _LONGEST_S
    while time.monotonic() < ends_at:
        if not select.select([leader], [], [], 1)[0]:
            continue
        try:
            data = os.read(leader, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data.decode()
        if left and left[0][0] in shown:
            os.write(leader, f"{left.pop(0)[1]}\n".encode())
    return shown.replace("\r\n", "\n")
