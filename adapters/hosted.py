"""Crews, flows, graphs and functions as a provider: a host program in their own environment."""

import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

import anyio
from anyio.abc import TaskGroup

from adapters.environments import find_python
from adapters.manifest import HostCommand, Manifest, describe, fingerprint_of
from adapters.rounds import Rounds, raise_passing
from adapters.settings import HostedSettings
from adapters.state import FencedStore, state_extension
from adapters.tools_only import ToolsOnly
from adapters.worker import Worker
from hub.catalog.provider import Answer, Caller, Change, Json, Kind, Outcome, ProviderState, Questions
from hub.errors import ConfigError, UpstreamDownError
from hub.upstream import ServerSettings, Surroundings
from hub.upstream.task_scope import open_tasks

LOOK_EVERY_S: Final = 10.0
"""How often a project is looked at for changes."""
MAX_RETRY_S: Final = 300.0
KEYED_TRIES: Final = 2


class HostProvider(ToolsOnly):
    """A `Provider`: lists from the manifest, calls a process that is started when it is needed."""

    def __init__(
        self, *, section: str, name: str, settings: HostedSettings, surroundings: Surroundings, tasks: TaskGroup
    ) -> None:
        super().__init__(name)
        self._section = section
        self._settings = settings
        self._around = surroundings
        self._tasks = tasks
        self._logger = logging.getLogger(f"adapters.{section}.{name}")
        self._manifest: Manifest | None = None
        self._prepared = anyio.Event()
        self._rounds = Rounds(surroundings.links.seal, section, name)
        self._extension = state_extension(FencedStore(surroundings.store, f"hosts/{section}/{name}/"))
        self._workers: list[Worker] = []

    # What it is

    @property
    def state(self) -> ProviderState:
        body = self._manifest.body if self._manifest is not None else {}
        ready = self._phase == "ready"
        return ProviderState(
            phase=self._phase,
            since=self._since,
            era="modern" if ready else None,
            protocol_version="2026-07-28" if ready else None,
            server_info=cast("Json | None", body.get("host")),
            capabilities={"tools": {"listChanged": True}} if ready else {},
            problem=self._problem,
        )

    @property
    def processes(self) -> int:
        """How many processes run now."""
        return sum(worker.is_up for worker in self._workers)

    # Requests

    async def list(self, kind: Kind) -> Sequence[Json]:
        manifest = await self._ready()
        return manifest.tools if kind == "tools" else ()

    async def call(self, params: Json, caller: Caller) -> Outcome:
        await self._ready()
        own, run_id = self._rounds.open(params, caller)
        worker = self._worker(run_id)
        outcome = await self._call(worker, own, caller, tries=1 if run_id is None else KEYED_TRIES)
        if isinstance(outcome, Questions):
            return self._rounds.seal(outcome, caller)
        if isinstance(outcome, Answer):
            raise_passing(outcome.body)
        return outcome

    async def _call(self, worker: Worker, params: Json, caller: Caller, *, tries: int) -> Outcome:
        """Call the process; under a key again if it ended meanwhile, for the run goes on where it was."""
        for number in range(1, tries + 1):
            try:
                async with worker.hold() as server:
                    return await server.call(params, caller)
            except UpstreamDownError:
                if number == tries:
                    raise
                self._logger.info("a process ended in a call with a key; the call is made again")
        raise UpstreamDownError(f"{self._name} gave no answer")

    # Inside

    async def _ready(self) -> Manifest:
        with anyio.move_on_after(self._settings.start_timeout_s):
            await self._prepared.wait()
        if self._manifest is None or self._phase != "ready":
            raise UpstreamDownError(f"{self._name} can't be offered: {self._problem or 'it is still being imported'}")
        return self._manifest

    def _worker(self, run_id: str | None) -> Worker:
        """A run always goes to the same process, where it may still live; other calls to the least busy one."""
        if run_id is not None and len(self._workers) > 1:
            place = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:4]) % len(self._workers)
            return self._workers[place]
        return min(self._workers, key=lambda worker: worker.users)

    # Life

    async def run(self) -> None:
        """Find out what is there, and again after each change of the project."""
        delay_s = LOOK_EVERY_S
        while True:
            seen: str | None = None
            try:
                seen = await self._prepare()
            except ConfigError as error:
                self._logger.warning("%s", error)
                self._enter("down", str(error))
            self._prepared.set()
            if self._phase == "ready":
                delay_s = LOOK_EVERY_S
            if await self._changed(seen, delay_s if self._phase == "down" else None):
                delay_s = LOOK_EVERY_S
            else:
                delay_s = min(delay_s * 2, MAX_RETRY_S)

    async def _prepare(self) -> str:
        command = await self._command()
        fingerprint = await fingerprint_of(command)
        cache = self._around.state / "manifests" / f"{self._section}-{self._name}.json"
        manifest = await describe(
            command,
            cache=cache,
            timeout_s=self._settings.start_timeout_s,
            log_path=self._around.log_path,
            fingerprint=fingerprint,
        )
        for warning in manifest.warnings:
            self._logger.warning("%s", warning)
        if manifest.problem is not None and not manifest.tools:
            self._enter("down", manifest.problem)
            return fingerprint
        self._manifest = manifest
        self._staff(command)
        self._enter("ready", manifest.problem)
        self._tell(Change(what="tools"))
        return fingerprint

    async def _changed(self, seen: str | None, patience_s: float | None) -> bool:
        """Wait for a change of the project, or until patience ends; whether it was a change."""
        waited_s = 0.0
        while patience_s is None or waited_s < patience_s:
            await anyio.sleep(LOOK_EVERY_S)
            waited_s += LOOK_EVERY_S
            if seen is None:
                continue
            try:
                if await fingerprint_of(await self._command()) != seen:
                    return True
            except ConfigError:
                return True
        return False

    async def _command(self) -> HostCommand:
        settings, around = self._settings, self._around
        project = around.place(settings.project)
        python = await find_python(
            project, given=settings.python, framework=settings.framework, variables=around.variables
        )
        env = {**around.links.base_env, **settings.env}
        if settings.uses and around.way_back is not None:
            env["HUB_COMMAND"] = around.way_back[0]
            env["HUB_ARGS"] = json.dumps([*around.way_back[1:], *settings.uses])
        return HostCommand(
            python=python,
            project=project,
            targets=settings.targets(self._name),
            env=env,
            storage=around.state / "frameworks" / f"{self._section}-{self._name}",
        )

    def _staff(self, command: HostCommand) -> None:
        program, *arguments = command.argv()
        settings = ServerSettings(
            command=program,
            args=tuple(arguments),
            env=command.env,
            cwd=str(command.project),
            era="modern",
            timeout_s=self._settings.timeout_s,
            concurrency=self._settings.concurrency,
        )
        for worker in self._workers:
            worker.settings = settings
            worker.retire()
        while len(self._workers) < self._settings.workers:
            worker = Worker(
                name=self._name,
                settings=settings,
                links=self._around.links,
                log_path=self._log_of(len(self._workers)),
                extension=self._extension,
                idle_s=self._settings.idle_s,
                on_change=lambda: self._tell(Change(what="state")),
            )
            self._workers.append(worker)
            self._tasks.start_soon(worker.run)

    def _log_of(self, number: int) -> Path | None:
        path = self._around.log_path
        if path is None or not number:
            return path
        return path.with_name(f"{path.stem}-{number + 1}{path.suffix}")


@asynccontextmanager
async def open_host_provider(
    section: str, name: str, settings: HostedSettings, surroundings: Surroundings
) -> AsyncGenerator[HostProvider]:
    """Begin to look after one entry; this does not wait for it."""
    async with open_tasks() as tasks:
        provider = HostProvider(section=section, name=name, settings=settings, surroundings=surroundings, tasks=tasks)
        tasks.start_soon(provider.run)
        yield provider
