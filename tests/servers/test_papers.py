"""The papers server as its clients see it, in front of a local feed."""

from typing import Any, get_args

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, TextContent, TextResourceContents

from mcp_servers.papers.arxiv import ArxivSettings, open_arxiv
from mcp_servers.papers.query import PaperQuery, Sort
from mcp_servers.papers.server import build_server
from tests.servers.clients import WAYS, Mode, Transport, connect, version_of
from tests.servers.feeds import FeedServer, Reply, entry, feed, feed_server

SUMMARY = {
    "id": "2601.00001v2",
    "uri": "papers://2601.00001v2",
    "title": "Relays & bridges",
    "authors": ["First Group", "Second Group"],
    "published": "2026-01-01T00:00:00Z",
    "primary_category": "cs.MA",
    "excerpt": "What was found.",
}
PAPER = {
    "id": "2601.00001v2",
    "uri": "papers://2601.00001v2",
    "title": "Relays & bridges",
    "abstract": "What was found.",
    "authors": ["First Group", "Second Group"],
    "published": "2026-01-01T00:00:00Z",
    "updated": "2026-02-02T00:00:00Z",
    "primary_category": "cs.MA",
    "categories": ["cs.MA", "cs.AI"],
    "abstract_url": "http://arxiv.org/abs/2601.00001v2",
    "pdf_url": "http://arxiv.org/pdf/2601.00001v2",
    "doi": "10.1000/1",
    "journal_ref": None,
    "comment": "3 pages",
}
EXTRA = "<arxiv:doi>10.1000/1</arxiv:doi><arxiv:comment>3 pages</arxiv:comment>"
RELAYS = entry("2601.00001v2", "Relays &\n  bridges", extra=EXTRA)


def quick(feeds: FeedServer) -> ArxivSettings:
    return ArxivSettings(base_url=feeds.url, interval_s=0, backoff_s=0.01)


def refusal(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def ask(settings: ArxivSettings, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    with anyio.fail_after(20):
        async with open_arxiv(settings) as arxiv, Client(build_server(arxiv)) as client:
            return await client.call_tool(tool, arguments)


@pytest.mark.parametrize(("transport", "mode"), WAYS)
async def test_papers_are_found_and_read_on_each_transport_in_each_era(
    transport: Transport, mode: Mode, tmp_path: Any
) -> None:
    with feed_server(Reply(body=feed([RELAYS], total=7)), Reply(body=feed([RELAYS]))) as feeds, anyio.fail_after(40):
        arguments = ["--base-url", feeds.url, "--interval", "0"]
        async with connect("mcp_servers.papers", arguments, transport=transport, mode=mode, folder=tmp_path) as client:
            assert client.protocol_version == version_of(mode)
            tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
            assert {name: hints and (hints.read_only_hint, hints.open_world_hint) for name, hints in tools.items()} == {
                "search_papers": (True, True),
                "read_paper": (True, True),
            }
            found = await client.call_tool("search_papers", {"query": "relays", "max_results": 1})
            assert found.structured_content == {"papers": [SUMMARY], "total": 7, "start": 0, "next_start": 1}
            read = await client.call_tool("read_paper", {"id": "https://arxiv.org/abs/2601.00001v2"})
            assert read.structured_content == PAPER
            (contents,) = (await client.read_resource("papers://2601.00001v2")).contents
            assert isinstance(contents, TextResourceContents)
            assert (contents.uri, contents.mime_type) == ("papers://2601.00001v2", "text/markdown")
            assert contents.text.startswith("# Relays & bridges\n\nWhat was found.\n\n- arXiv: 2601.00001v2\n")
            templates = (await client.list_resource_templates()).resource_templates
            assert [template.uri_template for template in templates] == ["papers://{id}"]
    assert len(feeds.requests) == 1, "what was found needs no second request to be read"


async def test_pages_follow_each_other_to_the_last(tmp_path: Any) -> None:
    pages = [Reply(body=feed([entry(f"2601.0000{n}v1", f"Paper {n}")], total=3, start=n - 1)) for n in (1, 2, 3)]
    with feed_server(*pages) as feeds, anyio.fail_after(20):
        async with open_arxiv(quick(feeds)) as arxiv, Client(build_server(arxiv)) as client:
            start: int | None = 0
            titles: list[str] = []
            while start is not None:
                arguments = {"category": "cs.MA", "sort": "submitted", "start": start, "max_results": 1}
                page = (await client.call_tool("search_papers", arguments)).structured_content
                assert page is not None
                titles += [paper["title"] for paper in page["papers"]]
                start = page["next_start"]
    assert titles == ["Paper 1", "Paper 2", "Paper 3"]
    assert feeds.requests == [
        {
            "search_query": "cat:cs.MA",
            "start": str(start),
            "max_results": "1",
            "sortBy": "submittedDate",
            "sortOrder": "descending",
        }
        for start in (0, 1, 2)
    ]


async def test_a_search_that_finds_nothing_is_an_answer() -> None:
    with feed_server(Reply(body=feed([]))) as feeds:
        result = await ask(quick(feeds), "search_papers", {"query": "nothing"})
    assert result.structured_content == {"papers": [], "total": 0, "start": 0, "next_start": None}


async def test_the_same_question_is_asked_once_even_by_many_at_once() -> None:
    answers: list[Any] = []
    with feed_server(Reply(body=feed([RELAYS]))) as feeds, anyio.fail_after(20):
        async with open_arxiv(quick(feeds)) as arxiv, Client(build_server(arxiv)) as client:

            async def search() -> None:
                answers.append((await client.call_tool("search_papers", {"query": "relays"})).structured_content)

            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(search)
    assert answers == [{"papers": [SUMMARY], "total": 1, "start": 0, "next_start": None}] * 8
    assert len(feeds.requests) == 1


async def test_requests_keep_their_distance_and_tell_why_they_wait() -> None:
    told: list[tuple[float, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    with feed_server(Reply(body=feed([RELAYS]))) as feeds, anyio.fail_after(20):
        settings = ArxivSettings(base_url=feeds.url, interval_s=0.6)
        async with open_arxiv(settings) as arxiv, Client(build_server(arxiv)) as client:
            began_at = anyio.current_time()
            for words in ("one", "two", "three"):
                await client.call_tool("search_papers", {"query": words}, progress_callback=tell)
            assert anyio.current_time() - began_at >= 1.2
    assert len(feeds.requests) == 3
    assert len(told) == 2
    assert all(message and message.endswith("s: one request to arXiv each 0.6 s") for _, message in told)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (
            "search_papers",
            {},
            "The arguments do not fit search_papers: $: expected at least one of query, category, author.",
        ),
        ("search_papers", {"query": "x", "max_results": 101}, "The arguments do not fit search_papers: $.max_results:"),
        ("search_papers", {"category": "cs.AI OR x"}, "The arguments do not fit search_papers: $.category:"),
        ("read_paper", {"id": "../x"}, "'../x' is no arXiv identifier; expected one such as 2101.00001v2 or math/"),
    ],
)
async def test_a_question_that_does_not_fit_never_leaves(tool: str, arguments: dict[str, Any], message: str) -> None:
    with feed_server(Reply(body=feed([]))) as feeds:
        assert refusal(await ask(quick(feeds), tool, arguments)).startswith(message)
    assert feeds.requests == []


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_paper_that_is_not_there_is_refused_with_its_name(mode: Mode) -> None:
    with feed_server(Reply(body=feed([]))) as feeds, anyio.fail_after(20):
        async with open_arxiv(quick(feeds)) as arxiv, Client(build_server(arxiv), mode=mode) as client:
            result = await client.call_tool("read_paper", {"id": "arXiv:math/0211159"})
            assert refusal(result) == "arXiv has no paper 'math/0211159'; search_papers finds what there is."
            with pytest.raises(MCPError, match="Resource not found: papers://math%2F0211159") as refused:
                await client.read_resource("papers://math%2F0211159")
            with pytest.raises(MCPError, match=r"Expected papers://\{id\} with an arXiv identifier"):
                await client.read_resource("papers://x")
    assert (refused.value.error.code, refused.value.error.data) == (INVALID_PARAMS, {"uri": "papers://math%2F0211159"})
    assert feeds.requests[0] == {"id_list": "math/0211159", "max_results": "1"}


@pytest.mark.parametrize(
    ("words", "author", "category", "expected"),
    [
        ("tool use", None, None, "(all:tool AND all:use)"),
        ('"tool use" ti:agent', None, None, '(all:"tool use" AND ti:agent)'),
        ("a OR b ANDNOT au:c", None, None, "(all:a OR all:b ANDNOT au:c)"),
        ("OR a AND", None, None, "all:a"),
        ('x) OR (cat:cs.AI "', None, None, "(all:x OR cat:cs.AI)"),
        ("agents", 'Group "A"', "cs.AI", 'all:agents AND cat:cs.AI AND (au:"Group A")'),
        ("", None, "math.GT", "cat:math.GT"),
        ('"" ()', None, "q-bio", "cat:q-bio"),
    ],
)
def test_words_become_a_query_of_arxiv(words: str, author: str | None, category: str | None, expected: str) -> None:
    query = PaperQuery(words=words, category=category, author=author, sort="relevance", start=0, max_results=5)
    assert query.to_params()["search_query"] == expected


def test_each_order_has_its_key_at_arxiv() -> None:
    keys = [
        PaperQuery(words="x", category=None, author=None, sort=sort, start=0, max_results=1).to_params()["sortBy"]
        for sort in get_args(Sort)
    ]
    assert keys == ["relevance", "submittedDate", "lastUpdatedDate"]
