"""The running hub of a configuration: who it is, how it is reached, and that there is one only."""

import contextlib
import os
from collections.abc import Generator
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from hub.config.claiming import claim, is_alive, process_start
from hub.config.places import Places, write_private


class Running(BaseModel):
    """What a running hub leaves for `hub` commands and for `hub serve --stdio`."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    url: str
    """Address of its MCP endpoint."""
    pid: int
    started_at: datetime
    token: str | None = None
    """The token of its endpoint, if it wants one."""
    process_start: str | None = None
    """The system's own start time of the process: tells it from a later one under the same number."""

    def __repr__(self) -> str:
        return f"Running(url={self.url!r}, pid={self.pid})"

    __str__ = __repr__


@contextlib.contextmanager
def hold_lock(places: Places) -> Generator[bool]:
    """Claim to be the one hub of this configuration, for as long as the context lasts.

    Yields:
        Whether the claim holds; false: another process has it. The system drops the claim of a killed process.
    """
    places.make()
    with claim(places.lock) as is_ours:
        yield is_ours


def write_running(places: Places, *, url: str, token: str | None, started_at: datetime) -> Running:
    """Tell that this process is the running hub."""
    pid = os.getpid()
    running = Running(url=url, pid=pid, token=token, started_at=started_at, process_start=process_start(pid))
    places.make()
    write_private(places.running, running.model_dump_json(indent=1))
    return running


def read_running(places: Places) -> Running | None:
    """The running hub of the configuration, or None; what a dead process left is removed."""
    try:
        running = Running.model_validate_json(places.running.read_bytes())
    except OSError:
        return None
    except ValidationError:
        places.running.unlink(missing_ok=True)
        return None
    if is_alive(running.pid, running.process_start):
        return running
    places.running.unlink(missing_ok=True)
    return None


def remove_running(places: Places) -> None:
    """Take back what `write_running` told, if it is this process's own."""
    with contextlib.suppress(OSError, ValidationError):
        if Running.model_validate_json(places.running.read_bytes()).pid == os.getpid():
            places.running.unlink(missing_ok=True)
