"""Runs agents in this process: their durable methods, their steps and what they subscribe to."""

import contextlib
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import anyio

from hub import forking
from hub.agents.agent import DurableAgent
from hub.agents.durable_method import RUN_METHOD, BoundMethod
from hub.agents.errors import NotHostedError
from hub.agents.host import with_their_agents
from hub.agents.house import House
from hub.agents.run import THREAD_KEY
from hub.agents.totals import Totals, totals_of
from hub.config import Places, base_env
from hub.config.environment import variables
from hub.config.places import CONFIG_NAME
from hub.errors import InvalidInputError
from hub.events import HANDLER_RETRY, Subscription
from hub.events.subscription import Handler
from hub.questions import Questions
from hub.runner.dapr import open_dapr_connection
from hub.runner.hosting import open_agents_on
from hub.upstream import Links, open_links
from hub.upstream.task_scope import first_leaf
from hub.workflows import (
    DaprAddress,
    RetryPolicy,
    Runs,
    WorkerSettings,
    Workflow,
)

_log = logging.getLogger(__name__)
H = TypeVar("H", bound=Handler)


class AgentRunner:
    """Runs agents.

    Dapr is what `DAPR_GRPC_ENDPOINT` or `DAPR_GRPC_PORT` names; without them an embedded sidecar is started.
    Making a runner does no I/O; `start()` serves until SIGINT or SIGTERM, `async with` while the block lasts.

    Args:
        agent: the one agent, or
        agents: several; two of one name are refused.
        workflows: further durable functions.
        dapr: the sidecar's address, in the place of the environment.
        state_dir: where the embedded sidecar keeps its data; unless given, the user's state folder has a place for
            each working directory.
        retention_s: seconds after which an embedded sidecar that this runner starts deletes finished runs; unless
            given, `sidecar:` in `./hub.yaml` says it, and without that they are kept.
        pubsub: Dapr's pub/sub component.
        state_store: Dapr's state component.
        model: of agents that name none, in the place of `HUB_MODEL`.
    """

    def __init__(
        self,
        agent: DurableAgent | None = None,
        *,
        agents: Sequence[DurableAgent] = (),
        workflows: Sequence[Workflow[..., Any]] = (),
        dapr: DaprAddress | None = None,
        state_dir: str | Path | None = None,
        retention_s: float | None = None,
        pubsub: str = "pubsub",
        state_store: str = "statestore",
        model: str | None = None,
        worker: WorkerSettings | None = None,
    ) -> None:
        self.agents = tuple(with_their_agents([*([agent] if agent is not None else []), *agents]))
        self._workflows = tuple(workflows)
        self._dapr = dapr
        self._state_dir = None if state_dir is None else Path(state_dir)
        if retention_s is not None and not retention_s >= 0:
            raise InvalidInputError(f"retention_s: found {retention_s}; expected seconds, 0 or more; or leave it out")
        self._retention_s = retention_s
        self._pubsub = pubsub
        self._state_store = state_store
        self._model = model
        self._worker = worker
        self._subscriptions: list[Subscription] = []
        self._open: contextlib.AsyncExitStack | None = None
        self._runs: Runs | None = None
        self._questions: Questions | None = None

    def subscribe(
        self,
        topic: str,
        *,
        type: str | None = None,
        where: str | None = None,
        retry: RetryPolicy = HANDLER_RETRY,
        dead_letter_topic: str | None = None,
        name: str | None = None,
    ) -> Callable[[H], H]:
        """Have an `async def handler(event)` run once for each event of a topic, as a durable function.

        Args:
            type: only events of this type.
            where: only events for which this CEL expression is true, as in `event.data.priority > 3`.
            retry: when a failed handler runs again; then the event goes to the dead-letter topic.
            dead_letter_topic: the topic with `.dead` behind it unless given.
            name: of the handler in run ids; topic and function unless given.
        """

        def declare(handler: H) -> H:
            if self._open is not None:
                raise InvalidInputError(f"{handler.__name__}: subscribe before the runner is opened or started")
            made = Subscription(
                topic, handler, type=type, where=where, retry=retry, dead_letter_topic=dead_letter_topic, name=name
            )
            if any(each.name == made.name for each in self._subscriptions):
                raise InvalidInputError(f"two handlers are named {made.name!r}; give one of them a `name`")
            self._subscriptions.append(made)
            return handler

        return declare

    def start(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        anyio.run(self._serve, backend_options={"use_uvloop": sys.platform != "win32" and forking.is_safe()})

    async def __aenter__(self) -> Self:
        if self._open is not None:
            raise InvalidInputError("the runner is open already")
        try:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(self._opened())
                self._open = stack.pop_all()
        except BaseExceptionGroup as group:
            raise first_leaf(group) from group
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        stack, self._open = self._open, None
        if stack is None:
            return None
        if isinstance(error[1], Exception):  # the caller's own: a task group in the stack would wrap it
            await stack.aclose()
            return None
        return await stack.__aexit__(*error)

    async def run(
        self,
        what: Callable[..., Any] | DurableAgent | str,
        *args: Any,
        run_id: str | None = None,
        thread: str | None = None,
        timeout_s: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Start a run, or attach to the one of that id, and give its result.

        Args:
            what: a durable method (`agent.research`), an agent (its `run`), or a task for the one agent.
            run_id: the same id attaches, finished or not.
            thread: the conversation that the run belongs to.

        Raises:
            RunFailedError: it failed.
            RunCancelledError: it was cancelled.
            CallTimeoutError: it goes on, but not within `timeout_s`.
        """
        started = await self.start_run(what, *args, run_id=run_id, thread=thread, **kwargs)
        method, _ = self._method(what)
        return method.workflow.signature.load_result(await self.runs.result(started, timeout_s=timeout_s))

    async def start_run(
        self,
        what: Callable[..., Any] | DurableAgent | str,
        *args: Any,
        run_id: str | None = None,
        thread: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Start a run, or attach to the one of that id.

        Returns:
            The run's id, for `runs`.
        """
        method, task = self._method(what)
        arguments = method.workflow.signature.dump((*task, *args), kwargs)
        meta = {THREAD_KEY: thread} if thread is not None else None
        return await self.runs.start(method.workflow, arguments, run_id=run_id, meta=meta)

    async def totals(self, run_id: str) -> Totals:
        """What a run has used of models; its child runs have totals of their own."""
        return totals_of(await self.runs.history(run_id))

    @property
    def runs(self) -> Runs:
        """All runs, for waiting, steering and looking."""
        return cast("Runs", self._there(self._runs))

    @property
    def questions(self) -> Questions:
        """What runs ask of people."""
        return cast("Questions", self._there(self._questions))

    def _there(self, value: object) -> object:
        if value is None:
            raise NotHostedError("the runner is not open: use `async with AgentRunner(...) as runner`")
        return value

    def _method(self, what: Callable[..., Any] | DurableAgent | str) -> tuple[BoundMethod, tuple[str, ...]]:
        if isinstance(what, str):
            if len(self.agents) != 1:
                raise InvalidInputError("run: the runner has several agents; give the one that is meant")
            return cast("BoundMethod", getattr(self.agents[0], RUN_METHOD)), (what,)
        found: object = getattr(what, RUN_METHOD) if isinstance(what, DurableAgent) else what
        if not isinstance(found, BoundMethod):
            raise InvalidInputError("run: expected a durable method of an agent, an agent, or a task")
        if found.agent not in self.agents:
            raise InvalidInputError(f"run: {found.agent.name} is none of this runner's agents")
        return found, ()

    async def _serve(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with self:
                _log.info("runs %s", ", ".join(each.name for each in self.agents) or "no agents")
                async for _ in signals:
                    break

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncGenerator[None]:
        environment = variables()
        places = _places(self._state_dir)
        async with contextlib.AsyncExitStack() as stack:
            dapr = await stack.enter_async_context(
                open_dapr_connection(places, environment, self._dapr, retention_s=self._retention_s)
            )
            links: Links | None = None
            if any(agent.tool_sources for agent in self.agents):
                links = await stack.enter_async_context(
                    open_links(base_env=base_env(), seal_key=places.seal_key(), version=version("interop-hub"))
                )

            async def the_links() -> Links:
                assert links is not None  # noqa: S101 - only tool sources ask
                return links

            house = House(dapr=dapr, state_store=self._state_store, links=the_links)
            hosted = await stack.enter_async_context(
                open_agents_on(
                    house,
                    self.agents,
                    environment,
                    workflows=self._workflows,
                    subscriptions=self._subscriptions,
                    pubsub=self._pubsub,
                    model=self._model,
                    worker=self._worker,
                )
            )
            self._runs = hosted.runs
            self._questions = Questions(dapr, store_name=self._state_store)
            try:
                yield
            finally:
                self._runs = self._questions = None


def _places(state_dir: Path | None) -> Places:
    here = Places.of(Path(CONFIG_NAME))
    return here if state_dir is None else Places(config=here.config, state=state_dir.absolute())
