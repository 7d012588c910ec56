"""Ask arXiv's public API: politely, again when it was busy, and not twice for the same."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import anyio
import httpx

from mcp_servers.papers.atom import Feed, parse_feed
from mcp_servers.papers.cache import AnswerCache
from mcp_servers.papers.errors import BadFeedError, BadQueryError, UnknownPaperError, UnreachableError
from mcp_servers.papers.model import Paper, without_version
from mcp_servers.papers.pace import Pace
from mcp_servers.papers.progress import Progress
from mcp_servers.papers.query import PaperQuery

DEFAULT_BASE_URL = "https://export.arxiv.org/api/query"

_RETRYABLE = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivSettings:
    """How arXiv is asked; the defaults follow its terms of use."""

    base_url: str = DEFAULT_BASE_URL
    interval_s: float = 3.0
    """One request in so long, for the whole process."""
    timeout_s: float = 20.0
    """For one try, from its turn to the last byte."""
    tries: int = 4
    backoff_s: float = 1.0
    """Longest pause before the second try; doubled for each one after."""
    max_wait_s: float = 60.0
    """Longest pause before a try; if arXiv asks for a longer one, the request fails and says so."""
    max_bytes: int = 8 * 2**20
    cache_entries: int = 512
    cache_ttl_s: float = 3600.0


class _TryAgainError(Exception):
    """One try failed in a way that may pass."""

    def __init__(self, problem: str, retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


class Arxiv:
    """The papers that arXiv has."""

    def __init__(self, settings: ArxivSettings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._pace = Pace(settings.interval_s, max_wait_s=settings.max_wait_s)
        self._feeds = AnswerCache[Feed](max_entries=settings.cache_entries, ttl_s=settings.cache_ttl_s)
        self._papers = AnswerCache[Paper](max_entries=settings.cache_entries * 4, ttl_s=settings.cache_ttl_s)

    async def search(self, query: PaperQuery, progress: Progress) -> Feed:
        """One page of hits.

        Raises:
            BadQueryError: arXiv does not understand the query.
            BadFeedError: the answer is no feed of papers.
            UnreachableError: no usable answer after all tries.
        """
        params = query.to_params()
        feed = await self._feeds.get_or_fetch(tuple(params.items()), lambda: self._fetch(params, progress))
        for paper in feed.papers:
            self._papers.put(paper.id, paper)
            self._papers.put(without_version(paper.id), paper)  # a search finds the latest versions only
        return feed

    async def paper(self, paper_id: str, progress: Progress) -> Paper:
        """One paper; without a version in the identifier, the latest one.

        Raises:
            UnknownPaperError: arXiv has none of that identifier.
            BadFeedError: the answer is no feed of papers.
            UnreachableError: no usable answer after all tries.
        """

        async def fetch() -> Paper:
            try:
                feed = await self._fetch({"id_list": paper_id, "max_results": "1"}, progress)
            except BadQueryError as error:
                raise UnknownPaperError(f"arXiv has no paper {paper_id!r}. {error}") from error
            for paper in feed.papers:
                if paper_id in (paper.id, without_version(paper.id)):
                    return paper
            raise UnknownPaperError(f"arXiv has no paper {paper_id!r}; search_papers finds what there is.")

        return await self._papers.get_or_fetch(paper_id, fetch)

    async def _fetch(self, params: dict[str, str], progress: Progress) -> Feed:
        for attempt in range(1, self._settings.tries + 1):
            await self._pace.turn(progress)
            try:
                return parse_feed(await self._try(params))
            except _TryAgainError as error:
                if attempt == self._settings.tries:
                    raise UnreachableError(f"arXiv {error}, in each of {attempt} tries. Try again later.") from error
                await self._pause(error, attempt, progress)
        raise UnreachableError("arXiv was not asked: `tries` is less than one.")

    async def _try(self, params: dict[str, str]) -> bytes:
        try:
            with anyio.fail_after(self._settings.timeout_s):
                async with self._http.stream("GET", self._settings.base_url, params=params) as response:
                    # A refused query comes as a feed too, with status 400.
                    if response.status_code in _RETRYABLE:
                        raise _TryAgainError(
                            f"answered with status {response.status_code}",
                            _retry_after_s(response.headers.get("retry-after")),
                        )
                    if response.status_code not in (200, 400):
                        raise BadFeedError(f"arXiv answered with status {response.status_code}, expected a feed.")
                    return await self._body(response)
        except TimeoutError as error:
            raise _TryAgainError(f"did not answer within {self._settings.timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise _TryAgainError("could not be reached") from error
        except httpx.HTTPError as error:
            raise BadFeedError("arXiv's answer could not be read.") from error

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._settings.max_bytes:
                raise BadFeedError(
                    f"arXiv's answer has more than {self._settings.max_bytes} bytes; ask for fewer papers at once."
                )
        return bytes(body)

    async def _pause(self, error: _TryAgainError, attempt: int, progress: Progress) -> None:
        longest_s = min(self._settings.backoff_s * 2 ** (attempt - 1), self._settings.max_wait_s)
        pause_s = random.uniform(longest_s / 2, longest_s)  # noqa: S311 - spreads load, guards nothing
        if error.retry_after_s is not None:
            if error.retry_after_s > self._settings.max_wait_s:
                raise UnreachableError(
                    f"arXiv {error} and asks to come back in {error.retry_after_s:.0f} s. Try again then."
                ) from error
            pause_s = max(pause_s, error.retry_after_s)
            self._pace.hold(error.retry_after_s)
        await progress.sleep(pause_s, f"arXiv {error}, try {attempt + 1} of {self._settings.tries} comes then")


@asynccontextmanager
async def open_arxiv(settings: ArxivSettings) -> AsyncGenerator[Arxiv]:
    async with httpx.AsyncClient(
        follow_redirects=True,
        timeout=settings.timeout_s,
        headers={"User-Agent": "interop-hub-papers", "Accept": "application/atom+xml"},
    ) as http:
        yield Arxiv(settings, http)


def _retry_after_s(value: str | None) -> float | None:
    """Source: RFC 9110, section 10.2.3: seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
