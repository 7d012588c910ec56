"""LangGraph graphs as a provider, in the hub's own process: the host's code without the host's program."""

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from adapters.host.interop_hub_host import protocol
from adapters.host.interop_hub_host.calls import answer_call, input_required, rising
from adapters.host.interop_hub_host.catalog import Loaded, load
from adapters.host.interop_hub_host.failures import HostError, RpcError
from adapters.host.interop_hub_host.runs import Asking, CallRequest, Runs
from adapters.host.interop_hub_host.targets import Target
from adapters.rounds import Rounds, raise_passing
from adapters.settings import GraphSettings
from adapters.side_loop import SideLoop, open_side_loop, run_over
from adapters.state import FencedStore
from adapters.tools_only import ToolsOnly
from hub.catalog.provider import Answer, Caller, Change, Json, Kind, Outcome, ProviderState, Questions
from hub.errors import RemoteError, UpstreamDownError
from hub.upstream import KeyStore, Surroundings
from hub.upstream.exchange import Exchange
from hub.upstream.task_scope import open_tasks

GRACE_S: Final = 10.0
"""What running calls get at the end: those that are kept stop after the present step."""
ANSWERS_S: Final = 2.0
"""How long their answers may take from there."""
_IMPORTING: Final = threading.Lock()
"""Modules of two projects may have one name; the host's code tells them apart, one project at a time."""

T = TypeVar("T")


class InProcessProvider(ToolsOnly):
    """A `Provider`: graphs are imported once and run on an event loop of their own."""

    def __init__(
        self, *, section: str, name: str, settings: GraphSettings, surroundings: Surroundings, side: SideLoop
    ) -> None:
        super().__init__(name)
        self._settings = settings
        self._around = surroundings
        self._side = side
        self._logger = logging.getLogger(f"adapters.{section}.{name}")
        self._rounds = Rounds(surroundings.links.seal, section, name)
        fenced = FencedStore(surroundings.store, f"hosts/{section}/{name}/")
        self._runs = Runs(_HubStore(fenced, asyncio.get_running_loop()))
        self._loaded = Loaded()
        self._prepared = anyio.Event()
        self._slots = anyio.Semaphore(settings.concurrency)
        self._exchanges: set[Exchange] = set()
        self._left = anyio.Event()

    @property
    def state(self) -> ProviderState:
        ready = self._phase == "ready"
        return ProviderState(
            phase=self._phase,
            since=self._since,
            era="modern" if ready else None,
            protocol_version=protocol.MODERN if ready else None,
            server_info=protocol.SERVER_INFO if ready else None,
            capabilities={"tools": {}} if ready else {},
            problem=self._problem,
        )

    async def list(self, kind: Kind) -> Sequence[Json]:
        await self._ready()
        return [tool.describe() for tool in self._loaded.tools.values()] if kind == "tools" else ()

    async def call(self, params: Json, caller: Caller) -> Outcome:
        await self._ready()
        own, _ = self._rounds.open(params, caller)
        exchange = Exchange("tools/call", own, caller, self._settings.timeout_s)
        self._exchanges.add(exchange)
        try:
            async with self._slots, open_tasks() as tasks:
                body = await exchange.run(partial(self._answer, tasks))
        finally:
            self._exchanges.discard(exchange)
            self._left.set()
        if body.get("resultType") == "input_required":
            return self._rounds.seal(Questions(body=body), caller)
        raise_passing(body)
        return Answer(body=body)

    # Calls

    async def _answer(self, tasks: TaskGroup, exchange: Exchange) -> Json:
        caller = cast("Caller", exchange.caller)
        loop = asyncio.get_running_loop()
        meta = cast("Json", exchange.params["_meta"])
        envelope = protocol.Envelope(modern=True, meta=meta, capabilities=caller.capabilities)

        def tell(told: Json) -> None:
            if caller.wants_progress:
                loop.call_soon_threadsafe(exchange.pass_on_soon, "notifications/progress", told, tasks)

        async def run(request: CallRequest) -> Json:
            step = await self._runs.step(request)
            return input_required(request, step, envelope) if isinstance(step, Asking) else protocol.ended(step)

        work = answer_call(self._loaded.tools, exchange.params, envelope, rising(tell), run)
        try:
            body = protocol.to_modern(await self._side.run(work))
        except RpcError as error:
            raise RemoteError(error.rpc_code, str(error), error.data) from error
        await exchange.told()
        return body

    async def _ready(self) -> None:
        with anyio.move_on_after(self._settings.start_timeout_s):
            await self._prepared.wait()
        if self._phase != "ready":
            raise UpstreamDownError(f"{self._name} can't be offered: {self._problem or 'it is still being imported'}")

    # Life

    async def run(self) -> None:
        """Import the graphs, once: what a process has imported, it does not forget."""
        problem = await anyio.to_thread.run_sync(self._load)
        if problem is not None:
            self._logger.warning("%s", problem)
        self._enter("ready" if self._loaded.tools else "down", problem)
        self._prepared.set()
        self._tell(Change(what="tools"))

    def _load(self) -> str | None:
        """Import on a thread; what is wrong in words for callers."""
        try:
            import_module("langgraph.graph")
        except ImportError:
            return (
                "isolation: found `inprocess`, and no langgraph in the hub's environment; expected it there; "
                "install `interop-hub[langgraph]`, or leave `isolation` out"
            )
        project = self._around.place(self._settings.project)
        if not project.is_dir():
            return f"project: found no folder {project}; expected the project's; correct it"
        with _IMPORTING:
            self._loaded = _load(self._settings.targets(self._name), project)
        if (log := self._around.log_path) is not None and self._loaded.problems:
            with log.open("a", encoding="utf-8") as file:
                file.writelines(f"{problem} ({problem.detail})\n" for problem in self._loaded.problems)
        return "; ".join(map(str, self._loaded.problems)) or None

    async def drain(self) -> None:
        """Let running calls come to a safe point, then end what is left of them."""
        with anyio.move_on_after(GRACE_S + ANSWERS_S):
            await self._side.run(self._runs.drain(GRACE_S))
        self._enter("stopped", "the hub is letting go of it")
        with anyio.move_on_after(ANSWERS_S):
            while self._exchanges:
                self._left = anyio.Event()
                await self._left.wait()
        for exchange in tuple(self._exchanges):
            exchange.fail(UpstreamDownError(f"{self._name} is being stopped"))


def _load(targets: Iterable[Json], project: Path) -> Loaded:
    """Load a project's targets; its folders are searched after all that the hub imports from."""
    own = list(sys.path)
    for folder in (str(project / "src"), str(project)):
        if Path(folder).is_dir() and folder not in own:
            sys.path.append(folder)
    try:
        return load([_target(target, project) for target in targets])
    finally:
        sys.path[:] = [*own, *(folder for folder in sys.path if folder not in own)]


def _target(target: Json, project: Path) -> Target:
    """A target of this process, whose current folder is not the project's."""
    given = {key: value for key, value in target.items() if key != "ref"}
    reference = str(target["ref"])
    place = reference.rpartition(":")[0] or reference
    is_file = place.endswith((".py", ".json")) or "/" in place
    return Target(reference=str(project / reference) if is_file else reference, **given)


class _HubStore:
    """The hub's store as the host's code uses it, from another loop."""

    def __init__(self, store: KeyStore, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop

    async def get(self, key: str) -> str | None:
        return (await self._over(self._store.get([key]))).get(key)

    async def put(self, items: Mapping[str, str]) -> None:
        await self._over(self._store.put(items))

    async def delete(self, keys: Iterable[str]) -> None:
        await self._over(self._store.delete(list(keys)))

    async def _over(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await run_over(work, self._loop)
        except Exception as error:
            raise HostError("unavailable", "the hub's store does not answer") from error


@asynccontextmanager
async def open_inprocess_provider(
    section: str, name: str, settings: GraphSettings, surroundings: Surroundings
) -> AsyncGenerator[InProcessProvider]:
    """Begin to import one entry's graphs; this does not wait for it."""
    async with open_side_loop(f"{section} {name}") as side, open_tasks() as tasks:
        provider = InProcessProvider(
            section=section, name=name, settings=settings, surroundings=surroundings, side=side
        )
        tasks.start_soon(provider.run)
        try:
            yield provider
        finally:
            with anyio.CancelScope(shield=True):
                await provider.drain()
