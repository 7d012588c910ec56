"""arXiv is busy, slow, broken or gone."""

import threading
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from mcp_servers.papers.arxiv import ArxivSettings, open_arxiv
from mcp_servers.papers.server import build_server
from tests.servers.feeds import Reply, entry, feed, feed_server
from tests.tooling.ports import LOOPBACK, free_port

GOOD = Reply(body=feed([entry("2601.00001v1", "Found")]))
BOMB = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c SYSTEM "file:///etc/hostname">]><feed xmlns="http://www.w3.org/2005/Atom"><title>&b;&c;</title></feed>"""


async def search(url: str, *, progress: Any = None, **settings: Any) -> CallToolResult:
    with anyio.fail_after(30):
        options: dict[str, Any] = {"interval_s": 0, "backoff_s": 0.01, **settings}
        async with open_arxiv(ArxivSettings(base_url=url, **options)) as arxiv, Client(build_server(arxiv)) as client:
            return await client.call_tool("search_papers", {"query": "found"}, progress_callback=progress)


def titles(result: CallToolResult) -> list[str]:
    assert result.structured_content is not None, result.content
    return [paper["title"] for paper in result.structured_content["papers"]]


def refusal(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_arxiv_is_asked_again(status: int) -> None:
    with feed_server(Reply(status=status), Reply(status=status), GOOD) as feeds:
        assert titles(await search(feeds.url)) == ["Found"]
    assert len(feeds.requests) == 3


async def test_an_arxiv_that_stays_busy_is_given_up_after_the_last_try() -> None:
    with feed_server(Reply(status=503)) as feeds:
        message = refusal(await search(feeds.url, tries=3))
    assert message == "arXiv answered with status 503, in each of 3 tries. Try again later."
    assert len(feeds.requests) == 3


@pytest.mark.parametrize("as_date", [False, True])
async def test_retry_after_is_waited_for_and_told(as_date: bool) -> None:
    told: list[str | None] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    retry_after = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_date else "1"
    busy = Reply(status=429, headers={"Retry-After": retry_after})
    with feed_server(busy, GOOD) as feeds:
        began_at = anyio.current_time()
        assert titles(await search(feeds.url, progress=tell)) == ["Found"]
        assert anyio.current_time() - began_at >= (0.5 if as_date else 1.0)
    assert told[0] is not None
    assert told[0].endswith("s: arXiv answered with status 429, try 2 of 4 comes then")


async def test_an_arxiv_that_wants_us_back_much_later_is_not_waited_for() -> None:
    with feed_server(Reply(status=429, headers={"Retry-After": "3600"})) as feeds:
        message = refusal(await search(feeds.url))
    assert message == "arXiv answered with status 429 and asks to come back in 3600 s. Try again then."
    assert len(feeds.requests) == 1


async def test_a_slow_arxiv_is_cut_off_and_asked_again() -> None:
    release = threading.Event()
    with feed_server(Reply(body=GOOD.body, until=release), GOOD) as feeds:
        try:
            assert titles(await search(feeds.url, timeout_s=0.3)) == ["Found"]
        finally:
            release.set()
    assert len(feeds.requests) == 2


async def test_an_arxiv_that_cannot_be_reached_is_named_without_its_address() -> None:
    message = refusal(await search(f"http://{LOOPBACK}:{free_port()}/", tries=2))
    assert message == "arXiv could not be reached, in each of 2 tries. Try again later."


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(body=b"<feed><entry>"), "The feed is not well-formed XML (no element found: line 1, column 13)."),
        (Reply(body=b"\xff\xfe\x00"), "The feed is not well-formed XML ("),
        (Reply(body=b""), "The feed is not well-formed XML (no element found: line 1, column 0)."),
        (Reply(body=b"<html><p>down</p></html>"), "The answer is a <html>, expected an Atom <feed>."),
        (Reply(body=BOMB), "The feed has a document type, which a feed has no need of; it was not read."),
        (Reply(body=b"<a>" * 50 + b"</a>" * 50), "The feed is nested more than 16 deep."),
        (Reply(body=feed(["<entry><id>x</id></entry>"])), "The feed has an entry without an arXiv identifier."),
        (
            Reply(body=GOOD.body.replace(b"Results>1<", b"Results>many<")),
            "The feed says 'many' for totalResults, expected a number.",
        ),
        (Reply(status=404, body=b"gone"), "arXiv answered with status 404, expected a feed."),
        (Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"}), "arXiv's answer could not be read."),
        (
            Reply(
                status=400,
                body=feed(["<entry><id>http://arxiv.org/api/errors#x</id><summary>malformed query</summary></entry>"]),
            ),
            "arXiv refused the query: malformed query.",
        ),
    ],
)
async def test_a_bad_feed_is_refused_with_its_fault_and_not_asked_for_again(reply: Reply, message: str) -> None:
    with feed_server(reply) as feeds:
        assert refusal(await search(feeds.url)).startswith(message)
    assert len(feeds.requests) == 1


@pytest.mark.parametrize("packed", [False, True])
async def test_a_huge_answer_is_cut_off(packed: bool) -> None:
    body = feed([entry("2601.00001v1", "Found", summary="x" * 3_000_000)])
    reply = Reply(body=zlib.compress(body), headers={"Content-Encoding": "deflate"}) if packed else Reply(body=body)
    with feed_server(reply) as feeds:
        message = refusal(await search(feeds.url, max_bytes=1_000_000))
    assert message == "arXiv's answer has more than 1000000 bytes; ask for fewer papers at once."


async def test_what_failed_is_not_kept() -> None:
    with feed_server(Reply(body=b"broken"), GOOD) as feeds, anyio.fail_after(20):
        settings = ArxivSettings(base_url=feeds.url, interval_s=0)
        async with open_arxiv(settings) as arxiv, Client(build_server(arxiv)) as client:
            assert (await client.call_tool("search_papers", {"query": "found"})).is_error
            assert titles(await client.call_tool("search_papers", {"query": "found"})) == ["Found"]
    assert len(feeds.requests) == 2


async def test_a_cancelled_wait_gives_its_turn_back() -> None:
    with feed_server(GOOD) as feeds, anyio.fail_after(20):
        settings = ArxivSettings(base_url=feeds.url, interval_s=1.0)
        async with open_arxiv(settings) as arxiv, Client(build_server(arxiv)) as client:
            began_at = anyio.current_time()
            await client.call_tool("search_papers", {"query": "one"})
            with anyio.move_on_after(0.2) as patience:
                await client.call_tool("search_papers", {"query": "two"})
            assert patience.cancelled_caught
            await client.call_tool("search_papers", {"query": "three"})
            assert 1.0 <= anyio.current_time() - began_at < 1.9
    assert [request["search_query"] for request in feeds.requests] == ["all:one", "all:three"]
