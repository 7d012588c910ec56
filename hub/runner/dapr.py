"""Dapr for a program: the one that the usual variables name, else the embedded sidecar."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from urllib.parse import urlsplit

from hub.config import Places
from hub.errors import ConfigError
from hub.runner.shared_sidecar import open_shared_sidecar
from hub.workflows import DaprAddress, DaprConnection, open_connection


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
    places: Places,
    variables: Mapping[str, str],
    given: DaprAddress | None = None,
    *,
    retention_s: float | None = None,
) -> AsyncGenerator[DaprConnection]:
    """A connection to the Dapr that is given, or named by the environment; else to an embedded sidecar.

    The embedded one is shared by all processes of a place: the first one starts it, and another one takes over.

    Args:
        retention_s: seconds after which the embedded one deletes finished runs, where this process has it.
    """
    address = given or address_from(variables)
    if address is not None:
        async with open_connection(address) as connection:
            yield connection
        return
    async with open_shared_sidecar(places, retention_s) as address, open_connection(address) as connection:
        yield connection
