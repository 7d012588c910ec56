"""A small feed of invented papers on the loopback address, in the form of arXiv's: the tour needs no internet."""

import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr


@dataclass(frozen=True, slots=True, kw_only=True)
class InventedPaper:
    """One entry; numbers of a year in which arXiv gave none of this form."""

    id: str
    title: str
    abstract: str
    category: str


PAPERS = (
    InventedPaper(
        id="9901.00001v1",
        title="One endpoint in front of many tool servers",
        abstract="An invented paper: a relay between two ages of a protocol, and what it must not lose on the way.",
        category="cs.NI",
    ),
    InventedPaper(
        id="9901.00002v2",
        title="Agents that survive the end of their process",
        abstract="An invented paper: each step of an agent is kept, so another process goes on from the last one.",
        category="cs.MA",
    ),
    InventedPaper(
        id="9901.00003v1",
        title="Questions to people in the middle of a call",
        abstract="An invented paper: how a tool asks for consent, and why an answer counts for one question only.",
        category="cs.HC",
    ),
)

_FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"
      xmlns:arxiv="http://arxiv.org/schemas/atom">
  <title>Invented papers</title><id>urn:quickstart:papers</id><updated>1999-01-01T00:00:00Z</updated>
  <opensearch:totalResults>{total}</opensearch:totalResults>
  <opensearch:startIndex>{start}</opensearch:startIndex>
  <opensearch:itemsPerPage>{count}</opensearch:itemsPerPage>
{entries}</feed>
"""
_ENTRY = """  <entry>
    <id>http://arxiv.org/abs/{id}</id><published>1999-01-01T00:00:00Z</published><updated>1999-01-01T00:00:00Z</updated>
    <title>{title}</title><summary>{abstract}</summary><author><name>Quickstart Example</name></author>
    <arxiv:primary_category term={category}/><category term={category}/>
  </entry>
"""
_TERM = re.compile(r'(?:ti|abs|all):"?([^\s")]+)')


@contextmanager
def open_feed() -> Generator[str]:
    """Serve the feed on a free port; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="feed")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = answer(parse_qs(urlsplit(self.path).query)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/atom+xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tour tells what happens."""


def answer(query: dict[str, list[str]]) -> str:
    """The feed for one query: the papers of `id_list`, or those that have all words of `search_query`."""
    start = int(query.get("start", ["0"])[0])
    count = int(query.get("max_results", ["10"])[0])
    if "id_list" in query:
        wanted = query["id_list"][0].split(",")
        found = [paper for paper in PAPERS if paper.id in wanted or paper.id.partition("v")[0] in wanted]
    else:
        words = [word.lower() for word in _TERM.findall(query.get("search_query", [""])[0])]
        found = [paper for paper in PAPERS if all(word in f"{paper.title} {paper.abstract}".lower() for word in words)]
    return _to_feed(found[start : start + count], total=len(found), start=start)


def _to_feed(papers: Sequence[InventedPaper], *, total: int, start: int) -> str:
    entries = "".join(
        _ENTRY.format(
            id=paper.id,
            title=escape(paper.title),
            abstract=escape(paper.abstract),
            category=quoteattr(paper.category),
        )
        for paper in papers
    )
    return _FEED.format(total=total, start=start, count=len(papers), entries=entries)
