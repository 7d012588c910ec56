"""One upstream server as the rest of the hub sees it."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from hub.catalog.provider import (
    Answer,
    Caller,
    Change,
    Era,
    Json,
    Kind,
    Listener,
    Outcome,
    ProviderState,
    Questions,
    RawReply,
    TaskStarted,
    TaskVerb,
)
from hub.errors import (
    CallTimeoutError,
    HubError,
    RemoteError,
    TooLargeError,
    UnknownNameError,
    UnsupportedError,
    UpstreamDownError,
)
from hub.upstream import wire
from hub.upstream.asking import can_be_asked
from hub.upstream.connection import Connection, Site
from hub.upstream.exchange import Exchange
from hub.upstream.extension import Extension
from hub.upstream.fleet import Fleet
from hub.upstream.links import Links
from hub.upstream.list_cache import ListCache
from hub.upstream.parking import Parking
from hub.upstream.passage import Passage
from hub.upstream.settings import ServerSettings
from hub.upstream.stderr_log import StderrLog
from hub.upstream.supervisor import Supervisor
from hub.upstream.task_scope import open_tasks
from hub.upstream.watching import Watching

DRAIN_S: Final = 2.0


class UpstreamServer:
    """A `Provider` and a `RawRelay`: calls go to a connection that supervisors keep open."""

    def __init__(
        self,
        *,
        name: str,
        settings: ServerSettings,
        links: Links,
        log_path: Path | None,
        remembered_era: Era | None,
        on_era: Callable[[Era], None] | None,
        tasks: TaskGroup,
        extensions: tuple[Extension, ...] = (),
    ) -> None:
        self._name = name
        self._settings = settings
        self._links = links
        self._log_path = log_path
        self._on_era = on_era
        self._tasks = tasks
        self._extensions = extensions
        self._logger = logging.getLogger(f"hub.upstream.{name}")
        self._slots = anyio.Semaphore(settings.concurrency, fast_acquire=True)
        self._exchanges: set[Exchange | Passage] = set()
        self._drained = anyio.Event()
        self._stopping_since: datetime | None = None
        self._lists = ListCache()
        self._watching = Watching(self._lists, lambda: self._fleet.standing, tasks, self._logger)
        self._parking = Parking(server_name=name, seal=links.seal, tasks=tasks)
        count = settings.sessions if settings.kind == "stdio" else 1
        self._fleet = Fleet(name, [self._build_supervisor(number, remembered_era) for number in range(count)])

    # What it is

    @property
    def name(self) -> str:
        return self._name

    @property
    def state(self) -> ProviderState:
        if self._stopping_since is not None:
            return ProviderState(phase="stopped", since=self._stopping_since, problem="the hub is letting go of it")
        return self._fleet.state

    async def settled(self) -> None:
        """Wait until the first try of each process has ended: the server is ready, or it is known why not."""
        for supervisor in self._fleet.supervisors:
            await supervisor.settled.wait()

    def watch(self, listener: Listener) -> Callable[[], None]:
        return self._watching.add(listener)

    # Lists

    async def list(self, kind: Kind) -> Sequence[Json]:
        connection = await self._connection()

        async def ask(method: str, params: Json) -> Json:
            return await self._request(method, params, None, connection)

        try:
            return await self._lists.get(kind, connection, ask)
        except TooLargeError as error:
            raise self._named(error) from error

    # Requests

    async def call(self, params: Json, caller: Caller) -> Outcome:
        outcome = await self._interact("tools/call", params, caller)
        if isinstance(outcome, TaskStarted):
            self._watching.follow_task(outcome.body)
        return outcome

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome:
        return await self._interact("prompts/get", params, caller)

    async def read(self, params: Json, caller: Caller) -> Outcome:
        return await self._interact("resources/read", params, caller)

    async def complete(self, params: Json, caller: Caller) -> Json:
        return await self._request("completion/complete", params, caller)

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        connection = await self._connection()
        extensions = wire.object_at(connection.hello.capabilities, "extensions")
        if connection.hello.era != "modern" or wire.TASKS_EXTENSION not in extensions:
            raise UnknownNameError(f"server {self._name} has no tasks")
        result = await self._request(f"tasks/{verb}", params, caller, connection)
        if verb == "get":
            self._watching.follow_task({**result, "taskId": params.get("taskId")})
        return result

    async def subscribe(self, uri: str) -> None:
        await self._watch_resources(self._watching.uris | {uri})

    async def unsubscribe(self, uri: str) -> None:
        await self._watch_resources(self._watching.uris - {uri})

    # The short lane

    def can_relay(self, request: Json) -> bool:
        if self._stopping_since is not None or not self._slots.value:
            return False
        standing = self._fleet.standing
        return bool(standing) and standing[0].can_relay

    async def relay(self, request: Json, caller: Caller) -> RawReply:
        connection = await self._connection()
        passage = Passage(self._slots, self._forget)
        self._exchanges.add(passage)
        try:
            await passage.enter(self._slots)
            return await connection.relay(request, passage.leave, self._named)
        except HubError as error:
            passage.leave()
            if isinstance(error, UpstreamDownError):
                self._fleet.suspect(connection)
            raise self._named(error) from error
        except BaseException:
            passage.leave()
            passage.raise_failure()
            raise

    # Inside

    async def _interact(self, method: str, params: Json, caller: Caller) -> Outcome:
        connection = await self._connection()
        probe = Exchange(method, params, caller, self._settings.timeout_s)
        if not connection.pushes(probe):
            return _outcome(await self._request(method, params, caller, connection), connection)
        if caller.live or ("requestState" not in params and not can_be_asked(caller)):
            clean = {key: value for key, value in params.items() if key not in ("requestState", "inputResponses")}
            return _outcome(await self._request(method, clean, caller, connection), connection)

        async def run(clean: Json, parked: Caller) -> Json:
            return await self._request(method, clean, parked)

        result = await self._parking.call(method, params, caller, run)
        if result.get("resultType") == "input_required":
            return Questions(body=result)
        return _outcome(result, connection)

    async def _request(
        self, method: str, params: Json, caller: Caller | None, connection: Connection | None = None
    ) -> Json:
        """Send one request, within the limits of this server.

        Raises:
            HubError: with the server's name in its message, unless it is the server's own error.
        """
        if connection is None:
            connection = await self._connection()
        exchange = Exchange(method, params, caller, self._settings.timeout_s)
        self._exchanges.add(exchange)
        try:
            return await exchange.run(connection.request if caller is None else self._in_turn(connection))
        except RemoteError as error:
            if error.rpc_code == wire.HEADER_MISMATCH and method == "tools/call":
                return await self._request_with_new_headers(method, params, caller, connection, error)
            raise
        except UpstreamDownError as error:
            self._fleet.suspect(connection)
            raise self._named(error) from error
        except CallTimeoutError as error:
            if connection.hello.era == "legacy" or self._settings.kind == "stdio":
                self._fleet.suspect(connection)
            raise self._named(error) from error
        except HubError as error:
            raise self._named(error) from error
        except wire.GarbageError as error:
            self._fleet.suspect(connection)
            raise UpstreamDownError(f"server {self._name}: it answered with something that is not MCP") from error
        finally:
            self._forget(exchange)

    def _in_turn(self, connection: Connection) -> Callable[[Exchange], Awaitable[Json]]:
        async def work(exchange: Exchange) -> Json:
            async with self._slots:
                return await connection.request(exchange)

        return work

    async def _request_with_new_headers(
        self, method: str, params: Json, caller: Caller | None, connection: Connection, error: RemoteError
    ) -> Json:
        """A tool that asks for headers the hub does not know of yet: look the tools up and try once more."""
        if connection.can_relay:
            raise error
        await self.list("tools")
        return await self._request(method, params, caller, connection)

    async def _connection(self) -> Connection:
        """A connection to send a request on.

        Raises:
            UpstreamDownError: none is there.
        """
        if self._stopping_since is not None:
            raise UpstreamDownError(f"server {self._name} is being stopped")
        return await self._fleet.connection()

    def _named(self, error: HubError) -> HubError:
        if isinstance(error, RemoteError) or f"server {self._name}" in str(error):
            return error
        return _CLASSES.get(error.code, type(error))(f"server {self._name}: {error}")

    def _forget(self, exchange: Exchange | Passage) -> None:
        self._exchanges.discard(exchange)
        if self._stopping_since is not None:
            self._drained.set()

    async def _watch_resources(self, uris: frozenset[str]) -> None:
        await self._connection()
        try:
            await self._watching.watch_resources(uris)
        except HubError as error:
            raise self._named(error) from error

    # What the supervisors tell

    def _build_supervisor(self, number: int, hint: Era | None) -> Supervisor:
        path = self._log_path
        if path is not None and number:
            path = path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
        log = StderrLog(path, self._logger)

        def build_site(hint: Era | None) -> Site:
            return Site(
                settings=self._settings,
                links=self._links,
                notify=self._watching.receive,
                logger=self._logger,
                log=log,
                hint=hint,
                extensions=self._extensions,
            )

        return Supervisor(
            build_site=build_site,
            hint=hint,
            is_program=self._settings.kind == "stdio",
            on_ready=self._on_ready,
            on_change=self._on_state,
            logger=self._logger,
        )

    def _on_ready(self, supervisor: Supervisor) -> None:
        self._lists.clear()
        connection = supervisor.connection
        if connection is None:
            return
        if self._on_era is not None and self._settings.era is None:
            self._on_era(connection.hello.era)
        self._watching.resume(connection)

    def _on_state(self) -> None:
        self._watching.tell(Change(what="state"))

    # Life

    def start(self) -> None:
        for supervisor in self._fleet.supervisors:
            self._tasks.start_soon(supervisor.run)

    async def drain(self, grace_s: float) -> None:
        """Take no more calls, give those in flight some time unless they wait for a person, end what is left."""
        self._stopping_since = datetime.now(UTC)
        self._on_state()
        with anyio.move_on_after(grace_s, shield=True):
            while any(not exchange.held for exchange in self._exchanges):
                self._drained = anyio.Event()
                await self._drained.wait()
        for exchange in tuple(self._exchanges):
            exchange.fail(UpstreamDownError(f"server {self._name} is being stopped"))


_CLASSES: Final[dict[str, type[HubError]]] = {
    each.code: each for each in (UpstreamDownError, CallTimeoutError, TooLargeError, UnsupportedError)
}


@asynccontextmanager
async def open_upstream(
    name: str,
    settings: ServerSettings,
    *,
    links: Links,
    log_path: Path | None,
    remembered_era: Era | None = None,
    on_era: Callable[[Era], None] | None = None,
    grace_s: float = DRAIN_S,
    extensions: tuple[Extension, ...] = (),
) -> AsyncGenerator[UpstreamServer]:
    """Begin to look after a server; this does not wait for it.

    Args:
        log_path: where a program's error output is kept.
        remembered_era: what `on_era` was told last time; it saves a probe.
        grace_s: seconds that calls in flight get at the end.
        extensions: what a program may ask of the hub besides the protocol's questions.
    """
    async with open_tasks() as tasks:
        server = UpstreamServer(
            name=name,
            settings=settings,
            links=links,
            log_path=log_path,
            remembered_era=remembered_era,
            on_era=on_era,
            tasks=tasks,
            extensions=extensions,
        )
        server.start()
        try:
            yield server
        finally:
            with anyio.CancelScope(shield=True):
                await server.drain(grace_s)


def _outcome(result: Json, connection: Connection) -> Outcome:
    if connection.hello.era == "modern":
        kind: object = result.get("resultType")
        if kind == "input_required":
            return Questions(body=result)
        if kind == "task":
            return TaskStarted(body=result)
    return Answer(body=result)
