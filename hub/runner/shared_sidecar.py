"""One embedded sidecar for all processes of a state folder: one has it, and another takes over when it is gone."""

import contextlib
import json
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from hub.config import EmbeddedSettings, Places, load_embedded
from hub.config.claiming import claim, is_alive, process_start
from hub.config.places import write_private
from hub.runner.embedded import to_hub_error
from hub.sidecar import SidecarSettings
from hub.workflows import DaprAddress, DaprDownError

if TYPE_CHECKING:
    from hub.sidecar.server import Sidecar

_log = logging.getLogger(__name__)

DATABASE_NAME = "sidecar.db"
_ADDRESS_NAME = "sidecar.json"
_LOCK_NAME = "sidecar.lock"
_START_S = 15.0
_START_LOOK_S = 0.05
_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the owner of the sidecar leaves for the others, and for the next owner."""

    grpc_port: int
    token: str = field(repr=False)
    pid: int | None = None
    """The owner; None: nobody has it, or it is just starting."""
    process_start: str | None = None

    @property
    def address(self) -> DaprAddress:
        return DaprAddress(grpc_port=self.grpc_port, token=self.token)

    @property
    def is_up(self) -> bool:
        return self.pid is not None and is_alive(self.pid, self.process_start)


@contextlib.asynccontextmanager
async def open_shared_sidecar(places: Places, retention_s: float | None = None) -> AsyncGenerator[DaprAddress]:
    """The embedded sidecar of a state folder, at one address for as long as somebody uses it.

    The first process starts it, on the port and with the token of the last time where it can. When its process is gone,
    one of the others starts it again at the same address; clients and workers connect again by themselves.

    Args:
        retention_s: in the place of what `sidecar:` in the configuration says. The settings of the process that has
            the sidecar hold.

    Raises:
        ConfigError: the section `sidecar:` of the configuration is wrong; or the sidecar's file is damaged, another
            program's or a newer release's, and stays as it is.
        DaprDownError: its file is in use, its disk is full, or another process has it and does not tell where.
    """
    settings = load_embedded(places.config)
    if retention_s is not None:
        settings = settings.model_copy(update={"retention_s": retention_s})
    places.make()
    share = _Share(places.state, settings)
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        try:
            yield await group.start(share.keep)
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group, which would wrap it
            failure = error
        share.end.set()
    if failure is not None:
        raise failure


class _Share:
    """One process's part in the sidecar of a folder."""

    def __init__(self, folder: Path, settings: EmbeddedSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._told = folder / _ADDRESS_NAME
        self._has_moved = False
        self._told_problem: str | None = None
        """Why it could not be taken over at the last try."""
        self.end = anyio.Event()

    async def keep(self, *, task_status: anyio.abc.TaskStatus[DaprAddress]) -> None:
        """Have the sidecar, or wait for the one who has it to be gone; until `end`."""
        known: DaprAddress | None = None

        def started(address: DaprAddress) -> None:
            nonlocal known
            if known is None:
                known = address
                task_status.started(address)

        last_try_at = anyio.current_time() + _START_S
        while not self.end.is_set():
            with claim(self._folder / _LOCK_NAME) as is_ours:
                if is_ours:
                    await (self._serve(started) if known is None else self._take_over(known))
            told = None if is_ours else _read(self._told)
            if told is not None and told.is_up:
                self._check(told, known)
                started(told.address)
            elif known is None and anyio.current_time() > last_try_at:
                raise DaprDownError(
                    f"{self._folder}: another process has the embedded sidecar of this folder and has not told where "
                    f"it is within {_START_S:g} s; stop that process, or use another folder"
                )
            with anyio.move_on_after(_START_LOOK_S if known is None else _LOOK_EVERY_S):
                await self.end.wait()

    def _check(self, told: _Told, known: DaprAddress | None) -> None:
        if known is not None and told.address != known and not self._has_moved:
            self._has_moved = True
            _log.error(
                "the embedded sidecar has moved to port %d since its port %d was taken by another program; "
                "start this program again",
                told.grpc_port,
                known.grpc_port,
            )

    async def _serve(self, started: Callable[[DaprAddress], None]) -> None:
        """Start it as the first one, where it was the last time; else at an address of its own."""
        from hub.sidecar.errors import AddressInUseError, SidecarError

        last = _read(self._told)
        try:
            if last is not None:
                try:
                    return await self._run(_Told(grpc_port=last.grpc_port, token=last.token), started)
                except AddressInUseError:
                    _log.info("port %d of the embedded sidecar is taken; it takes another one", last.grpc_port)
            return await self._run(_Told(grpc_port=0, token=secrets.token_urlsafe(32)), started)
        except SidecarError as error:
            raise to_hub_error(error) from error

    async def _take_over(self, known: DaprAddress) -> None:
        """Start it where the clients of the one that is gone look for it; tried again if that cannot be.

        Meanwhile nobody answers them; why, is told once for each reason.
        """
        from hub.sidecar.errors import SidecarError

        if self._told_problem is None:
            _log.info("the process with the embedded sidecar is gone; this one starts it again")
        try:
            await self._run(_Told(grpc_port=known.grpc_port, token=known.token or ""), self._started_again)
        except SidecarError as error:
            if str(error) != self._told_problem:
                self._told_problem = str(error)
                _log.error("the embedded sidecar does not start again, which is tried on: %s", error)

    def _started_again(self, _: DaprAddress) -> None:
        if self._told_problem is not None:
            self._told_problem = None
            _log.info("the embedded sidecar is up again")

    async def _run(self, wanted: _Told, started: Callable[[DaprAddress], None]) -> None:
        from hub.sidecar.server import open_sidecar

        if wanted.grpc_port:
            _write(self._told, wanted)
        settings = SidecarSettings(
            db_path=self._folder / DATABASE_NAME,
            grpc_port=wanted.grpc_port,
            token=wanted.token,
            **self._settings.model_dump(),
        )
        async with open_sidecar(settings) as sidecar:
            told = self._tell(sidecar, wanted.token)
            try:
                started(told.address)
                await self.end.wait()
            finally:
                _write(self._told, _Told(grpc_port=told.grpc_port, token=told.token))

    def _tell(self, sidecar: "Sidecar", token: str) -> _Told:
        pid = os.getpid()
        told = _Told(grpc_port=sidecar.grpc_port, token=token, pid=pid, process_start=process_start(pid))
        _write(self._told, told)
        return told


def _read(path: Path) -> _Told | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        pid = told.get("pid")
        start = told.get("process_start")
        return _Told(
            grpc_port=int(told["grpc_port"]),
            token=str(told["token"]),
            pid=pid if isinstance(pid, int) else None,
            process_start=start if isinstance(start, str) else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(path: Path, told: _Told) -> None:
    write_private(
        path,
        json.dumps(
            {
                "grpc_port": told.grpc_port,
                "token": told.token,
                "pid": told.pid,
                "process_start": told.process_start,
            }
        ),
    )
