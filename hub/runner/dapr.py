"""Dapr for a program: the one that the usual variables name, else the embedded sidecar."""

import contextlib
import json
import os
import secrets
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from hub.config import Places
from hub.config.claiming import claim
from hub.config.places import write_private
from hub.errors import ConfigError
from hub.sidecar import SidecarSettings
from hub.workflows import DaprAddress, DaprConnection, open_connection

DATABASE_NAME = "sidecar.db"
_ADDRESS_NAME = "sidecar.json"
_LOCK_NAME = "sidecar.lock"
_START_S = 15.0


def address_from(variables: Mapping[str, str]) -> DaprAddress | None:
    """The sidecar that the environment names, or None.

    Raises:
        ConfigError: a variable says something that is no address.

    Source: Dapr's environment variables reference (DAPR_GRPC_ENDPOINT, DAPR_GRPC_PORT, DAPR_RUNTIME_HOST,
    DAPR_API_TOKEN).
    """
    token = variables.get("DAPR_API_TOKEN") or None
    endpoint = variables.get("DAPR_GRPC_ENDPOINT")
    if endpoint:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        tls = parts.scheme in ("https", "grpcs") or "tls=true" in parts.query
        try:
            port = parts.port or (443 if tls else 50_001)
        except ValueError as error:
            raise ConfigError("DAPR_GRPC_ENDPOINT: expected an address as in http://127.0.0.1:50001") from error
        if not parts.hostname:
            raise ConfigError("DAPR_GRPC_ENDPOINT: expected an address as in http://127.0.0.1:50001")
        return DaprAddress(host=parts.hostname, grpc_port=port, token=token, tls=tls)
    port_text = variables.get("DAPR_GRPC_PORT")
    if not port_text:
        return None
    if not port_text.isdigit() or not 0 < int(port_text) < 65_536:
        raise ConfigError(f"DAPR_GRPC_PORT: found {port_text!r}; expected a port")
    return DaprAddress(host=variables.get("DAPR_RUNTIME_HOST") or "127.0.0.1", grpc_port=int(port_text), token=token)


@contextlib.asynccontextmanager
async def open_dapr_connection(
    places: Places, variables: Mapping[str, str], given: DaprAddress | None = None
) -> AsyncGenerator[DaprConnection]:
    """A connection to the Dapr that is given, or named by the environment; else to an embedded sidecar.

    The first process of a place starts the embedded sidecar, further ones use it while that process lives.
    """
    address = given or address_from(variables)
    if address is not None:
        async with open_connection(address) as connection:
            yield connection
        return
    async with _embedded(places) as address, open_connection(address) as connection:
        yield connection


@contextlib.asynccontextmanager
async def _embedded(places: Places) -> AsyncGenerator[DaprAddress]:
    places.make()
    with claim(places.state / _LOCK_NAME) as is_first:
        told = places.state / _ADDRESS_NAME
        if not is_first:
            yield await _read(told)
            return
        told.unlink(missing_ok=True)  # left by a process that was killed
        from hub.sidecar.server import open_sidecar

        token = secrets.token_urlsafe(32)
        settings = SidecarSettings(db_path=places.state / DATABASE_NAME, token=token)
        async with open_sidecar(settings) as sidecar:
            write_private(told, json.dumps({"grpc_port": sidecar.grpc_port, "token": token, "pid": os.getpid()}))
            try:
                yield DaprAddress(grpc_port=sidecar.grpc_port, token=token)
            finally:
                told.unlink(missing_ok=True)


async def _read(path: Path) -> DaprAddress:
    """Where the first process has it; it may just be starting."""
    with anyio.move_on_after(_START_S):
        while (address := _told_in(path)) is None:  # noqa: ASYNC110 - another process writes the file
            await anyio.sleep(0.05)
        return address
    raise ConfigError(
        f"{path.parent}: another process has the embedded sidecar of this folder and has not told where it is within "
        f"{_START_S:g} s; stop that process, or use another folder"
    )


def _told_in(path: Path) -> DaprAddress | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return DaprAddress(grpc_port=int(told["grpc_port"]), token=str(told["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
