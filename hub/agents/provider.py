"""An agent as a provider of the catalogue: its `run` is a tool, and so is each of its durable methods."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import anyio

from hub.agents.agent import DurableAgent
from hub.agents.durable_method import RUN_METHOD, DurableMethod
from hub.agents.messages import to_text
from hub.agents.run import THREAD_KEY
from hub.catalog.provider import Answer, Caller, Json, Kind, Listener, Outcome, ProviderState, TaskVerb
from hub.errors import HubError, UnknownNameError, UnsupportedError
from hub.workflows import RunCancelledError, RunFailedError, Runs
from hub.workflows.trace import trace_in

_log = logging.getLogger(__name__)

RUN_META: Final = "hub/runId"
THREAD_META: Final = "hub/thread"
KEY_META: Final = "hub/idempotencyKey"
CODE_META: Final = "hub/code"
RETRYABLE_META: Final = "hub/retryable"


class AgentProvider:
    """One agent, called synchronously: a call starts a run and waits for it."""

    def __init__(self, agent: DurableAgent, runs: Runs) -> None:
        self._agent = agent
        self._runs = runs
        self._since = datetime.now(UTC)
        self._methods: dict[str, DurableMethod] = {
            agent.name if name == RUN_METHOD else f"{agent.name}__{name}": method
            for name, method in sorted(agent.methods.items(), key=lambda item: (item[0] != RUN_METHOD, item[0]))
        }

    @property
    def name(self) -> str:
        return self._agent.name

    @property
    def state(self) -> ProviderState:
        return ProviderState(phase="ready", since=self._since, capabilities={"tools": {}})

    async def list(self, kind: Kind) -> Sequence[Json]:
        if kind != "tools":
            return ()
        return [
            {**(self._agent.as_tool_definition() if method.name == RUN_METHOD else method.definition), "name": own}
            for own, method in self._methods.items()
        ]

    async def call(self, params: Json, caller: Caller) -> Outcome:
        """Start a run, or attach to the one of the same idempotency key, and wait for its end.

        A caller that goes away cancels the run, unless it named a key by which it may come back.
        """
        method = self._methods.get(str(params.get("name")))
        if method is None:
            raise UnknownNameError(f"agent {self.name} has no tool {params.get('name')!r}")
        meta = cast("Json", params.get("_meta") or {})
        key = meta.get(KEY_META)
        run_id = None if key is None else _run_id(caller.identity, self.name, method.name, str(key))
        about: Json = {"identity": caller.identity, **trace_in(meta)}
        if meta.get(THREAD_META) is not None:
            about[THREAD_KEY] = str(meta[THREAD_META])
        workflow = self._agent.workflows[method.name]
        arguments = cast("Json", params.get("arguments") or {})
        started = await self._runs.start(workflow, arguments, run_id=run_id, meta=about)
        try:
            result = await self._runs.result(started)
        except (RunFailedError, RunCancelledError) as error:
            return Answer(body=_failure(error, started))
        except anyio.get_cancelled_exc_class():
            if run_id is None:
                await self._give_up(started)
            raise
        return Answer(body=_answer(result, started, is_described=method.described.output_schema is not None))

    async def _give_up(self, run_id: str) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(5):
            try:
                await self._runs.cancel(run_id)
            except HubError as error:
                _log.warning("run %s goes on though its caller is gone: %s", run_id, error)

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome:
        raise UnsupportedError(f"agent {self.name} has no prompts")

    async def read(self, params: Json, caller: Caller) -> Outcome:
        raise UnsupportedError(f"agent {self.name} has no resources")

    async def complete(self, params: Json, caller: Caller) -> Json:
        raise UnsupportedError(f"agent {self.name} completes nothing")

    async def subscribe(self, uri: str) -> None:
        raise UnsupportedError(f"agent {self.name} has no resources")

    async def unsubscribe(self, uri: str) -> None:
        raise UnsupportedError(f"agent {self.name} has no resources")

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        raise UnknownNameError(f"agent {self.name} has no task {params.get('taskId')!r}")

    def watch(self, listener: Listener) -> Callable[[], None]:
        return lambda: None


def _run_id(identity: str, agent: str, method: str, key: str) -> str:
    """Calls of different people never meet in one run, whatever keys they choose."""
    digest = hashlib.sha256("\0".join((identity, agent, method, key)).encode()).hexdigest()[:32]
    return f"call-{digest}"


def _answer(result: Any, run_id: str, *, is_described: bool) -> Json:
    body: Json = {"content": [{"type": "text", "text": to_text(result)}], "_meta": {RUN_META: run_id}}
    if is_described and isinstance(result, dict):
        body["structuredContent"] = result
    return body


def _failure(error: HubError, run_id: str) -> Json:
    return {
        "isError": True,
        "content": [{"type": "text", "text": f"{error.code}: {_told(error)}"}],
        "_meta": {RUN_META: run_id, CODE_META: error.code, RETRYABLE_META: error.retryable},
    }


def _told(error: HubError) -> str:
    """What a caller may read: the run and the kind of error; an exception's own words stay in the run's history."""
    if isinstance(error, RunFailedError):
        return f"run {error.run_id} failed with {error.error_type or 'an error'}; `hub run show` tells more"
    return str(error)
