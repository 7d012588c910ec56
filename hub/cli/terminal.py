"""The terminal as the one who calls: shows progress and logs on standard error, answers questions."""

import sys
from typing import cast

from hub.catalog.provider import Era, Json
from hub.cli.output import clean
from hub.errors import UnsupportedError

TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class Terminal:
    """A `Caller` of the modern era: questions come back as outcomes, so `ask` is never needed."""

    def __init__(self, *, version: str, log_level: str | None, quiet: bool) -> None:
        self._version = version
        self._log_level = log_level
        self._quiet = quiet
        self._is_drawn = False

    @property
    def identity(self) -> str:
        return "local"

    @property
    def era(self) -> Era:
        return "modern"

    @property
    def live(self) -> bool:
        return False

    @property
    def client_info(self) -> Json | None:
        return {"name": "hub-cli", "version": self._version}

    @property
    def capabilities(self) -> Json:
        return {"elicitation": {"form": {}, "url": {}}, "extensions": {TASKS_EXTENSION: {}}}

    @property
    def wants_progress(self) -> bool:
        return not self._quiet

    @property
    def log_level(self) -> str | None:
        return self._log_level

    async def progress(self, params: Json) -> None:
        done, total = cast("float", params.get("progress", 0)), cast("float | None", params.get("total"))
        share = f"{done:g} of {total:g} ({min(done / total, 1):.0%})" if total else f"{done:g}"
        self.draw(f"{share} {clean(str(params.get('message') or ''))}".rstrip())

    async def log(self, params: Json) -> None:
        level = str(params.get("level", "info"))
        if self._log_level is None or _rank(level) < _rank(self._log_level):
            return
        data: object = params.get("data")
        logger = f"{clean(str(params['logger']))}: " if params.get("logger") else ""
        self.erase()
        sys.stderr.write(f"[{level}] {logger}{clean(data if isinstance(data, str) else str(data))}\n")

    async def ask(self, method: str, params: Json) -> Json:
        raise UnsupportedError("a terminal is asked between the rounds of a call, not in one")

    def draw(self, text: str) -> None:
        """Show where the call stands: over the line before it in a terminal, else on a line of its own."""
        if self._quiet:
            return
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{text.splitlines()[0][:200] if text else ''}")
            self._is_drawn = True
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def erase(self) -> None:
        """Take the progress away before something else is written."""
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
            self._is_drawn = False


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)
