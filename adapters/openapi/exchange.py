"""One request and its answer: bounded in size, redirected only to where that is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from hub.errors import CallTimeoutError, RefusedError, TooLargeError, UpstreamDownError

MAX_REDIRECTS: Final = 5
_SECRET_HEADERS: Final = ("authorization", "cookie", "proxy-authorization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer."""

    status_code: int
    reason: str
    headers: httpx.Headers
    content: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        charset = httpx.Response(self.status_code, headers=self.headers).charset_encoding or "utf-8"
        try:
            return self.content.decode(charset, "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")


async def send(
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    limit_bytes: int,
    redirect_hosts: Sequence[str],
    secret_headers: Sequence[str] = (),
) -> Reply:
    """Send a request and take the whole answer.

    Args:
        redirect_hosts: other hosts that a redirect may lead to.
        secret_headers: names of headers that another host must not get.

    Raises:
        UpstreamDownError: no answer.
        CallTimeoutError: none in time.
        TooLargeError: one over the limit.
        RefusedError: a redirect to elsewhere.
    """
    for _ in range(MAX_REDIRECTS + 1):
        asked = request.url  # the guard puts an address into the request itself
        reply, location = await _send_once(client, request, limit_bytes)
        if location is None:
            return reply
        request = _redirected(client, request, asked, reply.status_code, location, redirect_hosts, secret_headers)
    raise RefusedError(f"the service redirects more than {MAX_REDIRECTS} times")


async def _send_once(client: httpx.AsyncClient, request: httpx.Request, limit_bytes: int) -> tuple[Reply, str | None]:
    host = request.url.host
    try:
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            parts: list[bytes] = []
            size = 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > limit_bytes:
                    raise TooLargeError(f"the answer has more than {limit_bytes} bytes (`max_response_bytes`)")
                parts.append(part)
        finally:
            await response.aclose()
    except httpx.TimeoutException as error:
        raise CallTimeoutError(f"{host} did not answer in time") from error
    except httpx.HTTPError as error:
        raise UpstreamDownError(f"{host} can't be reached ({type(error).__name__})") from error
    reply = Reply(
        status_code=response.status_code,
        reason=response.reason_phrase,
        headers=response.headers,
        content=b"".join(parts),
    )
    return reply, response.headers.get("location") if response.has_redirect_location else None


def _redirected(
    client: httpx.AsyncClient,
    request: httpx.Request,
    asked: httpx.URL,
    status: int,
    location: str,
    redirect_hosts: Sequence[str],
    secret_headers: Sequence[str],
) -> httpx.Request:
    """The request that follows a redirect.

    Source: RFC 9110, section 15.4.
    """
    try:
        target = asked.join(location)
    except httpx.InvalidURL as error:
        raise RefusedError("the service redirects to something that is no address") from error
    is_same = (target.scheme, target.host, target.port) == (asked.scheme, asked.host, asked.port)
    if target.scheme not in ("http", "https") or (not is_same and target.host not in redirect_hosts):
        raise RefusedError(f"the service redirects to {target.host or 'elsewhere'}; allow it in `redirect_hosts`")
    if asked.scheme == "https" and target.scheme == "http":
        raise RefusedError(f"the service redirects from https to http on {target.host}")
    is_safe = request.method in ("GET", "HEAD")
    if not is_safe and status in (301, 302):
        raise RefusedError(f"the service redirects a {request.method} with {status}, which may lose its body")
    headers = request.headers.copy()
    headers.pop("host", None)
    if not is_same:
        for name in (*_SECRET_HEADERS, *secret_headers):
            headers.pop(name, None)
    if status == 303 and not is_safe:
        for name in ("content-length", "content-type", "transfer-encoding"):
            headers.pop(name, None)
        return client.build_request("GET", target, headers=headers)
    return client.build_request(request.method, target, headers=headers, content=request.content)
