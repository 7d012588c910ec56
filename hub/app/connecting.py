"""Some tools of a running hub, for a program that the hub has started."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.app.bridge import authorization
from hub.app.hub import NAME, VERSION
from hub.catalog.catalog import open_catalog
from hub.catalog.policy import ArgumentCheck
from hub.catalog.provider import Caller, Json, Kind, Listener, Outcome, Provider, ProviderState, TaskVerb
from hub.catalog.section import Section
from hub.config import Places, base_env, read_running
from hub.errors import UnknownNameError, UnsupportedError, UpstreamDownError
from hub.gateway.stdio import serve_stdio
from hub.upstream import ServerSettings, open_links, open_upstream

_SETTLE_S = 20.0


class ToolsOnly:
    """A provider without its prompts and resources: what was allowed are tools."""

    def __init__(self, inner: Provider) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def state(self) -> ProviderState:
        return self._inner.state

    async def list(self, kind: Kind) -> Sequence[Json]:
        return await self._inner.list(kind) if kind == "tools" else ()

    async def call(self, params: Json, caller: Caller) -> Outcome:
        return await self._inner.call(params, caller)

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome:
        raise UnknownNameError("there are no prompts here")

    async def read(self, params: Json, caller: Caller) -> Outcome:
        raise UnknownNameError("there are no resources here")

    async def complete(self, params: Json, caller: Caller) -> Json:
        raise UnsupportedError("there is nothing to complete here")

    async def subscribe(self, uri: str) -> None:
        raise UnsupportedError("there are no resources here")

    async def unsubscribe(self, uri: str) -> None:
        raise UnsupportedError("there are no resources here")

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        return await self._inner.task(verb, params, caller)

    def watch(self, listener: Listener) -> Callable[[], None]:
        return self._inner.watch(listener)


async def connect(state: Path, tools: tuple[str, ...]) -> None:
    """Serve the allowed tools of a running hub on standard input and output until the client ends.

    Args:
        state: the folder of the hub's state.

    Raises:
        UpstreamDownError: no hub runs there.
    """
    running = read_running(Places(config=state / "hub.yaml", state=state))
    if running is None:
        raise UpstreamDownError("the hub whose tools were asked for does not run; start it with `hub serve`")
    settings = ServerSettings.model_validate({"url": running.url, "headers": authorization(running)})
    async with (
        open_links(base_env=base_env(), seal_key=secrets.token_bytes(32), version=VERSION) as links,
        open_catalog([ArgumentCheck()]) as catalog,
        open_upstream("hub", settings, links=links, log_path=None) as provider,
    ):
        catalog.add(Section(provider=ToolsOnly(provider), prefix="", allowed=tools))
        await catalog.settled(_SETTLE_S)
        await serve_stdio(catalog, name=NAME, version=VERSION, identity="hosted")
