"""Failures of frameworks and providers as codes: by type and status, never by repeating their text."""

from collections.abc import Iterator

from .failures import HostError


def classify(error: BaseException) -> HostError | None:
    """Give what the caller may read of a failure, or None: then it is `internal`."""
    for link in _chain(error):
        if isinstance(link, HostError):
            return link
    for link in _chain(error):
        found = _by_status(link) or _by_type(link)
        if found is not None:
            return found
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _by_status(error: BaseException) -> HostError | None:
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if not isinstance(status, int):
        return None
    if status == 429:
        return HostError("rate_limited", "the model's provider limits the rate; try again later")
    if status in (408, 504):
        return HostError("timeout", "the model's provider did not answer in time")
    if 500 <= status < 600:
        return HostError("unavailable", "the model's provider is not available; try again later")
    return None


def _by_type(error: BaseException) -> HostError | None:
    name = type(error).__name__
    if "RateLimit" in name:
        return HostError("rate_limited", "the model's provider limits the rate; try again later")
    if isinstance(error, TimeoutError) or name.endswith(("TimeoutError", "ReadTimeout", "ConnectTimeout")):
        return HostError("timeout", "a step took longer than its limit")
    if isinstance(error, ConnectionError) or name in ("APIConnectionError", "ConnectError", "URLError"):
        return HostError("unavailable", "a service that the tool needs is not reachable; try again later")
    return None
