"""Who may come in: Host, Origin and token of an HTTP request, before anything else looks at it."""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.gateway.settings import LOOPBACK_HOSTS, GatewaySettings

_REMEMBERED_HOSTS = 64


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host in LOOPBACK_HOSTS:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The HTTP answer to a request that may not come in."""

    status: int
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Doorkeeper:
    """Checks each request; later identities (OAuth) are worked out here too.

    Source: MCP 2026-07-28, basic/transports (security: Origin, loopback); RFC 6750 (bearer tokens).
    """

    def __init__(self, settings: GatewaySettings, *, host: str, token: str | None) -> None:
        self._token = None if token is None else token.encode()
        self._checks_host = is_loopback(host)
        self._hosts = {*LOOPBACK_HOSTS, host, *settings.allowed_hosts}
        self._own_hosts: set[bytes] = set()
        self._origins = frozenset(settings.allowed_origins)

    def refusal(self, given: Mapping[bytes, bytes]) -> Refusal | None:
        """Why a request may not come in, or None.

        Args:
            given: headers, names in lower case; of a repeated one, the first.
        """
        if self._checks_host and not self._is_own_host(given.get(b"host", b"")):
            return Refusal(status=421, message="this host name is not served here; add it to gateway.allowed_hosts")
        origin = given.get(b"origin")
        if origin is not None and not self._is_allowed_origin(origin.decode("latin-1")):
            return Refusal(status=403, message="this origin may not call; add it to gateway.allowed_origins")
        if self._token is not None and not self._has_token(given):
            return Refusal(
                status=401,
                message="a token is needed: send it as `Authorization: Bearer TOKEN`",
                headers=((b"www-authenticate", b'Bearer realm="interop-hub"'),),
            )
        return None

    def _is_own_host(self, host: bytes) -> bool:
        if host in self._own_hosts:
            return True
        name = host.decode("latin-1")
        if name not in self._hosts and _name_of(name) not in self._hosts:
            return False
        if len(self._own_hosts) < _REMEMBERED_HOSTS:
            self._own_hosts.add(host)
        return True

    def _has_token(self, given: Mapping[bytes, bytes]) -> bool:
        scheme, _, token = given.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token or b"")

    def _is_allowed_origin(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and (parts.hostname or "") in LOOPBACK_HOSTS


def _name_of(host: str) -> str:
    """A Host header without its port."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return name.strip("[]")
    return host.strip("[]")
