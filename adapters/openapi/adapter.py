"""The section `openapi:`."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread
from pydantic import BaseModel

from adapters.openapi.settings import OpenApi, OpenApiSettings
from hub.catalog.provider import Json, Provider
from hub.errors import ConfigError
from hub.upstream import EntrySettings, Recognised, Surroundings

_SUFFIXES = (".json", ".yaml", ".yml")


class OpenApiAdapter:
    """HTTP services, by their OpenAPI documents."""

    @property
    def sections(self) -> Mapping[str, type[BaseModel]]:
        return {"openapi": OpenApi}

    async def recognise(self, place: str, surroundings: Surroundings) -> Sequence[Recognised]:
        is_address = place.startswith(("http://", "https://"))
        if not is_address and not place.endswith(_SUFFIXES):
            return ()
        from adapters.openapi.credentials import Credentials
        from adapters.openapi.document import load_file, object_of
        from adapters.openapi.operations import build_operations
        from adapters.openapi.provider import load_document, open_client

        entry: Json = {"document": place}
        if is_address:
            settings = OpenApiSettings(document=place, allow_private=True)
            async with open_client(settings) as client:
                document = await load_document(settings, surroundings, client)
        else:
            try:
                path, shown = await anyio.to_thread.run_sync(_placed, place, surroundings.folder)
                document = await anyio.to_thread.run_sync(load_file, path)
            except ConfigError:
                return ()
            entry["document"] = shown
        operations = build_operations(document)
        Credentials(document, {})
        base = operations[0].base_urls[0] if operations and operations[0].base_urls else place
        hosts = [urlsplit(url).hostname or "" for url in (base if "://" in base else place, place) if "://" in url]
        if any([await anyio.to_thread.run_sync(_is_here, host) for host in hosts]):
            entry["allow_private"] = True
        schemes = sorted({name for each in operations for way in each.security for name in way})
        title = str(document.info.get("title") or "service")
        if schemes:
            entry["credentials"] = {name: f"${{{_variable(title, name)}}}" for name in schemes}
        variables = ", ".join(_variable(title, name) for name in schemes)
        known = object_of(object_of(document.root.get("components")).get("securitySchemes"))
        hints = (f"set {variables} in the hub's environment: credentials of the service",) if schemes and known else ()
        return [
            Recognised(
                what=f"the HTTP service {title!r} (OpenAPI {document.version}, {len(operations)} operations)",
                section="openapi",
                name=re.sub(r"[^a-z0-9_-]+", "_", title.lower()).strip("_")[:24] or "service",
                entry=entry,
                hints=hints,
            )
        ]

    def default_prefix(self, section: str, name: str, settings: EntrySettings) -> str:
        return name

    @asynccontextmanager
    async def open_provider(
        self, section: str, name: str, settings: EntrySettings, surroundings: Surroundings
    ) -> AsyncGenerator[Provider]:
        from adapters.openapi.provider import open_openapi_provider

        if not isinstance(settings, OpenApiSettings):
            raise TypeError(f"{section} has entries of another kind")
        async with open_openapi_provider(name, settings, surroundings) as provider:
            yield provider


def _placed(place: str, folder: Path) -> tuple[Path, str]:
    path, folder = Path(place).expanduser().resolve(), folder.resolve()
    return path, path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _is_here(host: str) -> bool:
    """Whether a host is written as a private address or stands for one."""
    import socket

    from adapters.openapi.guard import is_private

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(is_private(str(item[4][0])) for item in found)


def _variable(title: str, scheme: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", f"{title}_{scheme}".upper()).strip("_")


adapter = OpenApiAdapter()
