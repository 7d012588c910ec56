"""Tools of MCP servers, and of the hub itself, for agents."""

import contextlib
import fnmatch
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from hub.agents.catalog_provider import CatalogProvider
from hub.agents.house import House
from hub.agents.signatures import Json
from hub.catalog.naming import public_name
from hub.catalog.provider import Provider
from hub.errors import InvalidInputError, UnsupportedError
from hub.upstream import ServerSettings, open_upstream
from hub.upstream.settings import TRANSPORT_NAMES

DEFAULT_PATH: Final = "/mcp"
THE_HUB: Final = "hub"


class MCPToolProvider:
    """All tools of one MCP server, or those that are chosen.

    Args:
        server: its URL (without a path it means `/mcp`), its settings as an entry of `servers:` in hub.yaml or of
            `mcpServers` in another client's configuration has them, such a configuration with one server or the one
            that is called `name`, or `"hub"`: the catalogue of the hub that the agent lives in, called without a
            network.
        name: stands before a tool's name where two sources have the same.
        tools: names or patterns (`search_*`) of the tools to offer; all unless given.
        hide: names or patterns of tools not to offer.
    """

    def __init__(
        self,
        server: str | Mapping[str, Any] | ServerSettings,
        *,
        name: str | None = None,
        tools: Sequence[str] | None = None,
        hide: Sequence[str] = (),
    ) -> None:
        self._tools = None if tools is None else tuple(tools)
        self._hide = tuple(hide)
        if isinstance(server, Mapping) and isinstance(server.get("mcpServers"), Mapping):
            name, server = _the_one(cast("Mapping[str, Any]", server["mcpServers"]), name)
        self.settings = None if server == THE_HUB else _settings(server)
        self.name = name or _name_of(self.settings)

    def __repr__(self) -> str:
        return f"<MCP tools of {self.name}>"

    def is_offered(self, definition: Json) -> bool:
        name = str(definition.get("name"))
        if self._tools is not None and not any(fnmatch.fnmatchcase(name, rule) for rule in self._tools):
            return False
        return not any(fnmatch.fnmatchcase(name, rule) for rule in self._hide)

    @contextlib.asynccontextmanager
    async def open_provider(self, house: House) -> AsyncGenerator[Provider]:
        own = self.settings is None or (self.settings.url or "").rstrip("/") in house.own_urls
        if own and house.catalog is not None:
            yield CatalogProvider(self.name, house.catalog)
            return
        if self.settings is None:
            raise UnsupportedError(
                'MCPToolProvider("hub") is the catalogue of a hub, and this program is none: give the hub\'s URL'
            )
        links = await house.links()
        async with open_upstream(self.name, self.settings, links=links, log_path=None) as provider:
            yield provider


def _the_one(servers: Mapping[str, Any], name: str | None) -> tuple[str, Any]:
    if name is None and len(servers) == 1:
        name = next(iter(servers))
    if name is None or name not in servers:
        raise InvalidInputError(
            f"MCPToolProvider: found the servers {', '.join(map(repr, servers)) or 'none'}; expected one, or `name` to "
            "be that of one; a provider for each of them is what an agent with several takes"
        )
    return name, servers[name]


def _settings(server: str | Mapping[str, Any] | ServerSettings) -> ServerSettings:
    if isinstance(server, ServerSettings):
        return server
    try:
        if not isinstance(server, str):
            entry = dict(server)
            kind = entry.pop("type", None)
            if kind is not None:
                entry.setdefault("transport", TRANSPORT_NAMES.get(str(kind), kind))
            return ServerSettings.model_validate(entry)
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInputError(
                f"MCPToolProvider: {server!r} is no address; expected http://host:port/path, `hub`, or settings"
            )
        return ServerSettings(url=server if parts.path.strip("/") else parts._replace(path=DEFAULT_PATH).geturl())
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InvalidInputError(f"MCPToolProvider: {where}: {problem['msg']}") from error


def _name_of(settings: ServerSettings | None) -> str:
    if settings is None:
        return THE_HUB
    if settings.url is not None:
        parts = urlsplit(settings.url)
        return public_name("", f"{parts.hostname}_{parts.port}" if parts.port else str(parts.hostname))
    return public_name("", (settings.command or "server").rpartition("/")[2])
