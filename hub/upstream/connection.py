"""What a connection to a server is, whatever carries it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from hub.catalog.provider import Era, Json, RawReply
from hub.errors import HubError, RemoteError, UpstreamDownError
from hub.upstream import wire
from hub.upstream.exchange import Exchange
from hub.upstream.extension import Extension
from hub.upstream.in_flight import Notify
from hub.upstream.links import Links
from hub.upstream.settings import ServerSettings
from hub.upstream.stderr_log import StderrLog


class NotReachedError(UpstreamDownError):
    """Nothing was sent: there is no connection to the server."""


class HandshakeError(UpstreamDownError):
    """The server is there and does not want to speak the era it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a server said about itself when the connection was made."""

    era: Era
    protocol_version: str
    server_info: Json | None
    capabilities: Mapping[str, Any]
    instructions: str | None

    def has(self, capability: str) -> bool:
        return self.capabilities.get(capability) is not None

    def has_flag(self, capability: str, flag: str) -> bool:
        return bool(wire.object_at(self.capabilities, capability).get(flag))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a connection needs to know of the server it belongs to."""

    settings: ServerSettings
    links: Links
    notify: Notify
    logger: logging.Logger
    log: StderrLog
    hint: Era | None
    """The era that was last seen; without it, or where it fails, the hub finds out."""
    extensions: tuple[Extension, ...] = ()

    @property
    def pinned(self) -> Era | None:
        return self.settings.era


class Connection(Protocol):
    """An open, negotiated connection."""

    @property
    def hello(self) -> Hello: ...

    @property
    def ended(self) -> anyio.Event:
        """Set when the connection is of no use any more."""
        ...

    @property
    def busy(self) -> int:
        """Requests in flight."""
        ...

    def pushes(self, exchange: Exchange) -> bool:
        """Whether the server would ask its questions for this request in the middle of it (legacy)."""
        ...

    async def request(self, exchange: Exchange) -> Json:
        """Send one request; its result.

        Raises:
            RemoteError: the server answered with an error.
            UpstreamDownError: it did not answer.
        """
        ...

    async def watch_resources(self, uris: frozenset[str]) -> None:
        """Have exactly these resources watched."""
        ...

    def watch_tasks(self, task_ids: frozenset[str]) -> None:
        """Have exactly these tasks watched, where the server can."""
        ...

    def learn_tools(self, tools: list[Json]) -> list[Json]:
        """Take what the transport must know of the tools; the tools that can be called."""
        ...

    def forget_tools(self) -> None:
        """The list of tools has changed."""
        ...

    @property
    def can_relay(self) -> bool:
        """Whether `relay` can be used."""
        ...

    async def relay(self, request: Json, release: Callable[[], None], name: Callable[[HubError], HubError]) -> RawReply:
        """Hand one whole modern request over and its answer back, both unread.

        Args:
            release: called once when the answer is complete or given up, if this returns.
            name: puts the server's name into an error.
        """
        ...

    async def check(self) -> None:
        """Ask for a sign of life.

        Raises:
            HubError: none came.
        """
        ...

    def describe_end(self) -> str:
        """Why it ended, in words for a caller."""
        ...


def from_discover(result: Json) -> Hello | None:
    """Read the answer to `server/discover`; None if it offers no version of the modern era."""
    versions: object = result.get("supportedVersions")
    if not isinstance(versions, list) or wire.MODERN_VERSION not in versions:
        return None
    info = wire.object_at(wire.object_at(result, "_meta"), wire.META_SERVER_INFO) or wire.object_at(
        result, "serverInfo"
    )
    return _build(result, "modern", wire.MODERN_VERSION, info)


def from_initialize(result: Json) -> Hello:
    """Read the answer to `initialize`.

    Raises:
        UpstreamDownError: it names a version that the hub does not speak.
    """
    version: object = result.get("protocolVersion")
    if version not in wire.LEGACY_VERSIONS:
        raise UpstreamDownError(f"it speaks protocol version {str(version)[:32]!r}, which the hub does not")
    return _build(result, "legacy", str(version), wire.object_at(result, "serverInfo"))


def initialize_params(identity: Json, capabilities: Json) -> Json:
    return {
        "protocolVersion": wire.OFFERED_LEGACY_VERSION,
        "capabilities": capabilities,
        "clientInfo": identity,
    }


def refused(error: RemoteError) -> HandshakeError:
    return HandshakeError(f"it refused the negotiation with error {error.rpc_code}")


def _build(result: Json, era: Era, version: str, info: Json) -> Hello:
    instructions: object = result.get("instructions")
    return Hello(
        era=era,
        protocol_version=version,
        server_info=info or None,
        capabilities=wire.object_at(result, "capabilities"),
        instructions=instructions if isinstance(instructions, str) else None,
    )
