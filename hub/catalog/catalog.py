"""The catalogue: every provider's tools, prompts and resources under one roof, and the way a call takes to them."""

import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import anyio
import anyio.abc

from hub.catalog.entry import Entry, ToolEntry
from hub.catalog.index import Index
from hub.catalog.policy import Policy, ToolCall
from hub.catalog.provider import Caller, Change, Json, Kind, Listener, Outcome, TaskStarted, TaskVerb
from hub.catalog.refresh import Refresher
from hub.catalog.section import KINDS, Section
from hub.catalog.tasks import TaskOwners, unknown_task
from hub.errors import HubError, NameCollisionError, RemoteError, UnknownNameError, UnsupportedError

log = logging.getLogger(__name__)

TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
NOT_FOUND_CODES = frozenset({-32602, -32002})
"""What servers answer for a resource they do not have, in the modern and in the handshake era."""


class Catalog:
    """Names -> providers. One a hub; opened by `open_catalog`."""

    def __init__(self, policies: Sequence[Policy], group: anyio.abc.TaskGroup) -> None:
        self.policies = tuple(policies)
        self.reads_answers = any(policy.reads_answers for policy in self.policies)
        """Whether a policy needs to see how calls end."""
        self.index = Index()
        self._group = group
        self._refreshers: dict[str, Refresher] = {}
        self._listeners: dict[object, Listener] = {}
        self._tasks = TaskOwners()
        self._subscriptions: Counter[tuple[str, str]] = Counter()
        self._filled = anyio.Event()
        self._filled.set()

    # ---- who is in it

    def add(self, section: Section) -> None:
        """List a provider from now on; its definitions are fetched in the background, again after each change.

        Raises:
            NameCollisionError: its name or prefix is taken, or a second transparent provider.
        """
        for other in self.index.sections.values():
            if other.name == section.name or (
                other.prefix == section.prefix and not section.transparent and other.prefix
            ):
                raise NameCollisionError(
                    f"{section.name} and {other.name} would both be listed under the prefix {section.prefix!r}; "
                    "give one of them another `prefix`"
                )
            if other.transparent and section.transparent:
                raise NameCollisionError(
                    f"{section.name} and {other.name} are both `transparent`; at most one server may be"
                )
        self.index.sections[section.name] = section
        refresher = Refresher(section, self._refreshed, self._passed_on)
        self._refreshers[section.name] = refresher
        self._group.start_soon(refresher.run)

    def remove(self, name: str) -> None:
        """Take a provider and all its names out; calls under way go on."""
        refresher = self._refreshers.pop(name, None)
        if refresher is not None:
            refresher.stop()
        if self.index.sections.pop(name, None) is not None:
            for kind in KINDS:
                self._rebuild(kind)

    def expect(self) -> None:
        """Say that sections are to come: until `arrange` is called, the catalogue is not settled."""
        self._filled = anyio.Event()

    @property
    def is_filled(self) -> bool:
        """Whether all sections that were to come are here."""
        return self._filled.is_set()

    @property
    def is_settled(self) -> bool:
        """Whether `settled` would return at once."""
        return self.is_filled and all(refresher.settled.is_set() for refresher in self._refreshers.values())

    def arrange(self, names: Sequence[str]) -> None:
        """List the sections in this order from now on; others come behind."""
        self._filled.set()
        ordered = {name: self.index.sections[name] for name in names if name in self.index.sections}
        if list({**ordered, **self.index.sections}) != list(self.index.sections):
            self.index.sections = {**ordered, **self.index.sections}
            for kind in KINDS:
                self._rebuild(kind)

    async def settled(self, patience_s: float) -> None:
        """Wait until each provider was listed once or is down, at most `patience_s` seconds."""
        with anyio.move_on_after(patience_s):
            await self._filled.wait()
            for refresher in list(self._refreshers.values()):
                await refresher.settled.wait()

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Tell every change, with public names, from now on; returns what ends it."""
        token = object()
        self._listeners[token] = listener
        return lambda: cast("None", self._listeners.pop(token, None))

    # ---- what is in it

    def entries(self, kind: Kind) -> list[Json]:
        """Definitions under their public names, in a deterministic order. Not to be changed."""
        return self.index.listing(kind)

    def tool(self, name: str) -> ToolEntry:
        """Raises: UnknownNameError, with the nearest names."""
        return self.index.tool(name)

    # ---- calls

    async def call_tool(self, params: Json, caller: Caller) -> Outcome:
        """Run one tool by its public name (`tools/call` parameters), through all policies.

        Raises:
            UnknownNameError: no such tool.
            HubError: a policy refused, or the provider could not answer.
        """
        call = ToolCall(entry=self.tool(str(params.get("name"))), params=params, caller=caller)
        for policy in self.policies:
            call = await policy.before(call)
        outcome = await call.entry.provider.call({**call.params, "name": call.entry.own_name}, call.caller)
        for policy in reversed(self.policies):
            outcome = await policy.after(call, outcome)
        return self._to_public(call.entry, outcome, caller)

    async def get_prompt(self, params: Json, caller: Caller) -> Outcome:
        """Raises: UnknownNameError, HubError."""
        entry = self.index.prompt(str(params.get("name")))
        return self._to_public(
            entry, await entry.provider.get_prompt({**params, "name": entry.own_name}, caller), caller
        )

    async def read(self, params: Json, caller: Caller) -> Outcome:
        """Read a resource by its public URI; a URI that nobody lists is asked of each provider that has resources.

        Raises:
            RemoteError: no provider has it; the last server's own words.
            UnknownNameError: no provider has resources at all.
        """
        uri = str(params.get("uri"))
        refusal: HubError = UnknownNameError(f"there is no resource {uri[:256]!r}")
        owners = self.index.resource_owners(uri)
        for section, own in owners:
            if len(owners) > 1 and "resources" not in section.provider.state.capabilities:
                continue
            try:
                outcome = await section.provider.read({**params, "uri": own}, caller)
            except RemoteError as error:
                if len(owners) > 1 and error.rpc_code not in NOT_FOUND_CODES:
                    raise
                refusal = error
            except HubError as error:
                if len(owners) == 1:
                    raise
                refusal = error
            else:
                return replace(outcome, body=cast("Json", section.to_public(outcome.body)))
        raise refusal

    async def complete(self, params: Json, caller: Caller) -> Json:
        """Complete an argument of a prompt or of a resource template.

        Raises: UnknownNameError, HubError.
        """
        ref = cast("Json", params.get("ref") or {})
        if ref.get("type") == "ref/prompt":
            entry = self.index.prompt(str(ref.get("name")))
            own_ref, provider = {**ref, "name": entry.own_name}, entry.provider
        else:
            section, own = self.index.resource_owners(str(ref.get("uri")))[0] if self.index.sections else (None, "")
            if section is None:
                raise UnknownNameError(f"there is no resource template {str(ref.get('uri'))[:256]!r}")
            own_ref, provider = {**ref, "uri": own}, section.provider
        return await provider.complete({**params, "ref": own_ref}, caller)

    # ---- tasks

    async def task(self, verb: TaskVerb, params: Json, caller: Caller) -> Json:
        """`tasks/get`, `tasks/update` or `tasks/cancel` for a task of any provider.

        Raises:
            UnknownNameError: no such task, or somebody else's.
        """
        public_id = str(params.get("taskId"))
        owner = self._tasks.find(public_id, caller.identity)
        if owner is not None and owner.provider_name in self.index.sections:
            section = self.index.sections[owner.provider_name]
            body = await section.provider.task(verb, {**params, "taskId": owner.own_id}, caller)
            return self._task_body(section, body, public_id)
        for section in self.index.sections.values():
            if not has_tasks(section):
                continue
            with contextlib.suppress(UnknownNameError, UnsupportedError):
                try:
                    body = await section.provider.task(verb, params, caller)
                except RemoteError as error:
                    if error.rpc_code != -32602:
                        raise
                    continue
                return self._task_body(section, body, self._tasks.register(section.name, public_id, caller.identity))
        raise unknown_task(public_id)

    def _task_body(self, section: Section, body: Json, public_id: str) -> Json:
        public = cast("Json", section.to_public(body))
        return {**public, "taskId": public_id} if "taskId" in public else public

    def _to_public(self, entry: Entry, outcome: Outcome, caller: Caller) -> Outcome:
        section = self.index.sections.get(entry.provider.name)
        if section is None:
            return outcome
        body = cast("Json", section.to_public(outcome.body))
        if isinstance(outcome, TaskStarted) and isinstance(body.get("taskId"), str):
            body = {**body, "taskId": self._tasks.register(section.name, body["taskId"], caller.identity)}
        return outcome if body is outcome.body else replace(outcome, body=body)

    # ---- changes

    async def subscribe(self, uri: str) -> None:
        """Have updates of a resource told to the watchers until `unsubscribe`; counted.

        Raises: HubError, RemoteError.
        """
        section, own = self._subscribable(uri)
        self._subscriptions[section.name, own] += 1
        if self._subscriptions[section.name, own] == 1:
            try:
                await section.provider.subscribe(own)
            except BaseException:
                self._subscriptions[section.name, own] -= 1
                raise

    async def unsubscribe(self, uri: str) -> None:
        """End one `subscribe`."""
        section, own = self._subscribable(uri)
        if self._subscriptions[section.name, own] == 0:
            return
        self._subscriptions[section.name, own] -= 1
        if self._subscriptions[section.name, own] == 0:
            del self._subscriptions[section.name, own]
            await section.provider.unsubscribe(own)

    def _subscribable(self, uri: str) -> tuple[Section, str]:
        owners = self.index.resource_owners(uri)
        able = [pair for pair in owners if len(owners) == 1 or "resources" in pair[0].provider.state.capabilities]
        if not able:
            raise UnknownNameError(f"there is no resource {uri[:256]!r}")
        return able[0]

    def _refreshed(self, kind: Kind) -> None:
        before = self.index.listing(kind)
        self._rebuild(kind)
        if self.index.listing(kind) != before:
            self._tell(Change(what="resources" if kind == "templates" else kind))

    def _rebuild(self, kind: Kind) -> None:
        for item in self.index.rebuild(kind):
            log.warning("%s", item)

    def _passed_on(self, section: Section, change: Change) -> None:
        if change.what == "resource_updated" and change.uri is not None:
            change = replace(change, uri=section.renamed.get(change.uri, change.uri))
        elif change.what == "notification" and change.message is not None:
            change = replace(change, message=self._public_notification(section, change.message))
        self._tell(change)

    def _public_notification(self, section: Section, message: Json) -> Json:
        params = message.get("params")
        if not isinstance(params, dict) or not isinstance(cast("Json", params).get("taskId"), str):
            return message
        own_id = cast("str", params["taskId"])
        return {**message, "params": {**cast("Json", params), "taskId": self._tasks.public_id(section.name, own_id)}}

    def _tell(self, change: Change) -> None:
        for listener in list(self._listeners.values()):
            listener(change)


def has_tasks(section: Section) -> bool:
    """Whether a provider declares the Tasks extension."""
    extensions = section.provider.state.capabilities.get("extensions")
    return isinstance(extensions, dict) and TASKS_EXTENSION in extensions


@asynccontextmanager
async def open_catalog(policies: Sequence[Policy]) -> AsyncGenerator[Catalog, None]:
    """An empty catalogue; on exit it stops following its providers, which it does not own."""
    async with anyio.create_task_group() as group:
        catalog = Catalog(policies, group)
        try:
            yield catalog
        finally:
            group.cancel_scope.cancel()
