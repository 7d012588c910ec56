"""An MCP client as a `Caller`, seen through the SDK's request context."""

from typing import Any, cast

import anyio
from mcp import MCPError
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.shared.message import ServerMessageMetadata
from mcp_types import RequestId, ServerNotification, ServerRequest
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, RootModel, ValidationError

from hub.catalog.provider import Era, Json
from hub.errors import RemoteError, UnsupportedError
from hub.gateway.wire import CLIENT_CAPABILITIES_KEY, CLIENT_INFO_KEY, LOG_LEVEL_KEY

Context = ServerRequestContext[Any, Any]

LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_CAPABILITY_OF = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}


class _RawMessage(BaseModel):
    """A notification or request whose parameters pass through as they are."""

    method: str
    params: Json | None = None


class _RawResult(RootModel[Json]):
    """A client's answer, every field of it."""


class ClientCaller:
    """The client behind one request, of either era."""

    def __init__(self, ctx: Context, *, identity: str, session_log_level: str | None) -> None:
        self._ctx = ctx
        self._meta = _meta_of(ctx.params)
        self._identity = identity
        self._session_log_level = session_log_level
        self.era: Era = "modern" if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else "legacy"

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def live(self) -> bool:
        return self.era == "legacy" and self._ctx.session.can_send_request

    @property
    def client_info(self) -> Json | None:
        if self.era == "modern":
            info = self._meta.get(CLIENT_INFO_KEY)
            return cast("Json", info) if isinstance(info, dict) else None
        params = self._ctx.session.client_params
        return None if params is None else _dump(params.client_info)

    @property
    def capabilities(self) -> Json:
        if self.era == "modern":
            declared = self._meta.get(CLIENT_CAPABILITIES_KEY)
            return cast("Json", declared) if isinstance(declared, dict) else {}
        capabilities = self._ctx.session.client_capabilities
        return {} if capabilities is None else _dump(capabilities)

    @property
    def wants_progress(self) -> bool:
        return "progressToken" in self._meta

    @property
    def log_level(self) -> str | None:
        if self.era == "legacy":
            return self._session_log_level
        level = self._meta.get(LOG_LEVEL_KEY)
        return level if isinstance(level, str) and level in LOG_LEVELS else None

    async def progress(self, params: Json) -> None:
        if self.wants_progress:
            await self._notify("notifications/progress", {**params, "progressToken": self._meta["progressToken"]})

    async def log(self, params: Json) -> None:
        wanted, level = self.log_level, params.get("level")
        if wanted is None or (level in LOG_LEVELS and LOG_LEVELS.index(level) < LOG_LEVELS.index(wanted)):
            return
        await self._notify("notifications/message", params)

    async def ask(self, method: str, params: Json) -> Json:
        capability = _CAPABILITY_OF.get(method)
        if not self.live or capability is None or capability not in self.capabilities:
            raise UnsupportedError(f"this client can't be asked {method}: it did not declare it")
        request = cast("ServerRequest", _RawMessage(method=method, params=params or None))
        related = ServerMessageMetadata(related_request_id=self._ctx.request_id)
        try:
            answer = await self._ctx.session.send_request(request, _RawResult, metadata=related)
        except MCPError as error:
            raise RemoteError(error.code, error.message, error.data) from error
        except ValidationError as error:
            raise RemoteError(-32602, f"the client's answer to {method} does not fit its schema") from error
        return answer.root

    async def _notify(self, method: str, params: Json) -> None:
        await notify(self._ctx, method, params)


class AcknowledgedSession:
    """A session that tells when its first notification went out: the acknowledgement of a listen stream."""

    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self.acknowledged = anyio.Event()

    async def send_notification(
        self, notification: ServerNotification, related_request_id: RequestId | None = None
    ) -> None:
        await self._session.send_notification(notification, related_request_id)
        self.acknowledged.set()


async def notify(ctx: Context, method: str, params: Json) -> None:
    """Send a notification on the stream of a request, its parameters as they are."""
    notification = cast("ServerNotification", _RawMessage(method=method, params=params))
    await ctx.session.send_notification(notification, related_request_id=ctx.request_id)


def connection_of(ctx: Context) -> Connection:
    """The connection behind a request: the SDK hands its handlers nothing else that lives as long as a session."""
    return ctx.session._connection  # pyright: ignore[reportPrivateUsage]  # no public way; a contract test watches it


def _meta_of(params: Any) -> Json:
    meta = cast("Json", params or {}).get("_meta")
    return cast("Json", meta) if isinstance(meta, dict) else {}


def _dump(model: BaseModel) -> Json:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)
