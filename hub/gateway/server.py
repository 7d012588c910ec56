"""The hub as an MCP server on the SDK's lowlevel `Server`: capabilities, the relay, subscriptions."""

import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast
from weakref import WeakKeyDictionary

from mcp import MCPError
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CompletionsCapability,
    EmptyResult,
    LoggingCapability,
    PromptsCapability,
    RequestParams,
    ResourcesCapability,
    ServerCapabilities,
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    ToolsCapability,
    UnsubscribeRequestParams,
)
from mcp_types import methods as spec
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from hub.catalog.catalog import TASKS_EXTENSION, Catalog
from hub.catalog.provider import Json
from hub.errors import HubError
from hub.gateway.caller import ClientCaller, Context, connection_of
from hub.gateway.changes import Changes
from hub.gateway.relay import Relay
from hub.gateway.wire import failed_call, is_protocol_error, result_for, rpc_error

log = logging.getLogger(__name__)

_DEFAULT_LEVEL = "debug"
_TASK_METHODS = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})


class HubServer(Server[None]):
    """One server object for every transport and both eras.

    Relayed requests are answered in a middleware, which owns its result: the SDK's models, which drop fields that
    they do not know, are passed by. The SDK keeps the handshake, sessions, header checks and streams.
    """

    def __init__(self, catalog: Catalog, *, name: str, version: str, identity: str) -> None:
        super().__init__(name, version=version, title="Interop hub", lifespan=self._no_lifespan)
        self._catalog = catalog
        self._identity = identity
        self._relay = Relay(catalog)
        self._changes = Changes(catalog)
        self._levels: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
        self.get_tool_input_schema = self._input_schema
        for method in self._relay.handlers:
            self.add_request_handler(method, RequestParams, self._handle)
        self.add_request_handler("logging/setLevel", SetLevelRequestParams, self._set_level)
        self.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        self.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        self.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._changes.listen)
        self.middleware.append(self._middleware)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Tell clients the catalogue's changes while this is open."""
        async with self._changes.open():
            yield

    # ---- what it says of itself

    def get_capabilities(self, *args: Any, **kwargs: Any) -> ServerCapabilities:
        """All that any provider may need, now or after a change: servers come and go while clients stay."""
        return ServerCapabilities(
            tools=ToolsCapability(list_changed=True),
            prompts=PromptsCapability(list_changed=True),
            resources=ResourcesCapability(list_changed=True, subscribe=True),
            completions=CompletionsCapability(),
            logging=LoggingCapability(),
            extensions=self._extensions() or None,
        )

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        self.instructions = self._instructions()
        return super().create_initialization_options(notification_options, experimental_capabilities, extensions)

    def _extensions(self) -> dict[str, dict[str, Any]]:
        union: dict[str, dict[str, Any]] = {}
        for section in self._catalog.index.sections.values():
            declared = section.provider.state.capabilities.get("extensions")
            if isinstance(declared, dict):
                for key, value in cast("Json", declared).items():
                    union.setdefault(key, cast("Json", value) if isinstance(value, dict) else {})
        return union

    def _instructions(self) -> str | None:
        parts: list[str] = []
        for section in self._catalog.index.sections.values():
            text = section.provider.state.instructions
            if text:
                parts.append(text if section.transparent else f"# {section.prefix or section.name}\n{text}")
        return "\n\n".join(parts) or None

    def _input_schema(self, name: str) -> Json | None:
        entry = self._catalog.index.get("tools", name)
        return None if entry is None else entry.definition.get("inputSchema")

    @staticmethod
    @asynccontextmanager
    async def _no_lifespan(_: Server[None]) -> AsyncGenerator[None, None]:
        yield None

    # ---- requests

    async def _middleware(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        is_handshake_done = ctx.session.client_capabilities is not None
        if ctx.method == "server/discover":
            self.instructions = self._instructions()
        if ctx.request_id is None or ctx.method not in self._relay.handlers or not is_handshake_done:
            result = await call_next(ctx)
            if ctx.method == "notifications/initialized":
                self._changes.follow(ctx)
            return result
        if ctx.method in spec.SPEC_CLIENT_METHODS:
            try:
                spec.validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
            except KeyError:
                return await call_next(ctx)  # not defined at this revision: the SDK says so
        return await self._handle(ctx, None)

    async def _handle(self, ctx: Context, _: object) -> Json:
        if ctx.method in _TASK_METHODS:
            _check_task_request(ctx)
        caller = self.caller(ctx)
        with _errors_on_the_wire(ctx):
            try:
                body = await self._relay.handle(ctx.method, dict(ctx.params or {}), caller)
            except HubError as error:
                if is_protocol_error(ctx.method, error):
                    raise
                body = failed_call(error)
        return result_for(caller.era, ctx.method, body, self.server_info_stamp)

    def caller(self, ctx: Context) -> ClientCaller:
        """The client behind a request."""
        level = self._levels.get(connection_of(ctx), _DEFAULT_LEVEL)
        return ClientCaller(ctx, identity=self._identity, session_log_level=level)

    async def _set_level(self, ctx: Context, params: SetLevelRequestParams) -> EmptyResult:
        self._levels[connection_of(ctx)] = params.level
        return EmptyResult()

    async def _subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        with _errors_on_the_wire(ctx):
            await self._changes.subscribe(ctx, str(params.uri))
        return EmptyResult()

    async def _unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        with _errors_on_the_wire(ctx):
            await self._changes.unsubscribe(ctx, str(params.uri))
        return EmptyResult()


@contextmanager
def _errors_on_the_wire(ctx: Context) -> Generator[None, None, None]:
    era = "modern" if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else "legacy"
    try:
        yield
    except HubError as error:
        wire = rpc_error(ctx.method, error, era)
        raise MCPError(wire["code"], wire["message"], wire.get("data")) from error


def _check_task_request(ctx: Context) -> None:
    """Source: MCP extension io.modelcontextprotocol/tasks (capability, `Mcp-Name` carries the task id)."""
    capabilities = ctx.session.client_capabilities
    if capabilities is None or TASKS_EXTENSION not in (capabilities.extensions or {}):
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            "Missing required client capability",
            {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}},
        )
    task_id = (ctx.params or {}).get("taskId")
    if not isinstance(task_id, str):
        raise MCPError(-32602, "taskId: expected a string")
    header = None if ctx.request is None else ctx.request.headers.get(MCP_NAME_HEADER)
    if header is not None and decode_header_value(header) != task_id:
        raise MCPError(HEADER_MISMATCH, "the Mcp-Name header is not the taskId of the body")
