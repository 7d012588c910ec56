"""Which addresses may be reached: a name is resolved once, its addresses are judged, one of these is connected to."""

import ipaddress
import socket

import anyio
import httpx

from hub.errors import RefusedError, UpstreamDownError


def is_private(address: str) -> bool:
    """Whether an address is not one of the public internet.

    Source: RFC 6890; RFC 4291, section 2.5.5.2 (IPv4-mapped addresses), RFC 6052 (translated ones).
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_private(str(inner))
    return not found.is_global or found.is_multicast


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to the very address that was judged, so that a name can't change its mind in between."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._allow_private:
            host = request.url.host
            address = await self._judged(host, request.url.port or (443 if request.url.scheme == "https" else 80))
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def _judged(self, host: str, port: int) -> str:
        try:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UpstreamDownError(f"there is no host {host}") from error
        addresses = [str(item[4][0]) for item in found]
        for address in addresses:
            if is_private(address):
                raise RefusedError(f"{host} is on a private address; set `allow_private: true` if that is meant")
        return addresses[0]

    async def aclose(self) -> None:
        await self._inner.aclose()
