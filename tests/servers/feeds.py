"""A local stand-in for arXiv's API: a real HTTP server that plays a script of answers."""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from tests.tooling.ports import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of the script."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    until: threading.Event | None = None
    """Answer only when this is set."""


@dataclass(slots=True)
class FeedServer:
    """The script, and what was asked so far; the last reply is given again and again."""

    script: list[Reply]
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_reply(self, query: str) -> Reply:
        with self._lock:
            self.requests.append(dict(parse_qsl(query)))
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def feed_server(*script: Reply) -> Generator[FeedServer]:
    """Serve the script on a free port of the loopback address."""
    feeds = FeedServer(list(script))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = feeds.next_reply(urlsplit(self.path).query)
            if reply.until is not None:
                reply.until.wait(30)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:
                self.close_connection = True  # the client did not wait for it

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output to the tests."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    feeds.url = f"http://{LOOPBACK}:{server.server_address[1]}/api/query"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield feeds
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def entry(paper_id: str, title: str, *, summary: str = "What was found.", extra: str = "") -> str:
    return f"""<entry>
  <id>http://arxiv.org/abs/{paper_id}</id>
  <updated>2026-02-02T00:00:00Z</updated><published>2026-01-01T00:00:00Z</published>
  <title>{escape(title)}</title><summary>  {escape(summary)}
  </summary>
  <author><name>First Group</name></author><author><name>Second Group</name></author>
  <link href="http://arxiv.org/abs/{paper_id}" rel="alternate" type="text/html"/>
  <link title="pdf" href="http://arxiv.org/pdf/{paper_id}" rel="related" type="application/pdf"/>
  <arxiv:primary_category term="cs.MA"/><category term="cs.MA"/><category term="cs.AI"/>{extra}
</entry>"""


def feed(entries: Sequence[str], *, total: int | None = None, start: int = 0) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"
      xmlns:arxiv="http://arxiv.org/schemas/atom">
  <title>made for a test</title><id>http://arxiv.org/api/test</id><updated>2026-02-03T00:00:00Z</updated>
  <opensearch:totalResults>{len(entries) if total is None else total}</opensearch:totalResults>
  <opensearch:startIndex>{start}</opensearch:startIndex>
  <opensearch:itemsPerPage>{len(entries)}</opensearch:itemsPerPage>
  {"".join(entries)}
</feed>""".encode()
