"""The small parts that read and write bytes."""

import logging
import random
import subprocess
import sys
from pathlib import Path

import pytest

from hub.catalog.provider import Json
from hub.errors import TooLargeError
from hub.upstream.backoff import Backoff
from hub.upstream.event_stream import Event, EventReader
from hub.upstream.headers import AnnotationError, build_header_map, encode_value, param_headers
from hub.upstream.lines import LineReader, Oversized
from hub.upstream.seal import BrokenSealError, Seal
from hub.upstream.stderr_log import FILE_BYTES, StderrLog

STREAM = b": hello\r\nevent: endpoint\ndata: /x\n\nid: 7\rretry: 50\rdata: a\rdata: b\r\r\ndata\n\nid: 8\ndata:\n\n"


def test_an_event_stream_is_read_alike_however_it_is_cut() -> None:
    expected = [
        Event(name="endpoint", data=b"/x", id=None, retry_ms=None),
        Event(name="message", data=b"a\nb", id="7", retry_ms=50),
        Event(name="message", data=b"", id="7", retry_ms=50),
        Event(name="message", data=b"", id="8", retry_ms=50),
    ]
    chance = random.Random(1)
    for _ in range(200):
        reader = EventReader(limit_bytes=1000)
        cuts = sorted(chance.randrange(len(STREAM)) for _ in range(4))
        parts = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
        assert [each for part in parts for each in reader.feed(part)] == expected


def test_an_event_over_the_limit_is_refused_before_it_is_complete() -> None:
    reader = EventReader(limit_bytes=100)
    with pytest.raises(TooLargeError):
        list(reader.feed(b"data: " + b"x" * 200))


def test_lines_are_cut_alike_however_they_arrive() -> None:
    data = b"one\n\ntwo\n" + b'{"jsonrpc":"2.0","id":5,"result":"' + b"x" * 100 + b'"}\nthree\n'
    for size in (1, 2, 7, 64, 1000):
        reader = LineReader(limit_bytes=90)
        lines = [line for start in range(0, len(data), size) for line in reader.feed(data[start : start + size])]
        assert lines == [b"one", b"", b"two", Oversized(request_id=5), b"three"]


def test_the_id_of_an_oversized_line_is_found_at_its_end_too() -> None:
    reader = LineReader(limit_bytes=90)
    line = b'{"result":"' + b"x" * 200 + b'","jsonrpc":"2.0","id":12}\nnext\n'
    assert list(reader.feed(line)) == [Oversized(request_id=12), b"next"]
    assert list(reader.feed(b"x" * 200 + b"\n")) == [Oversized(request_id=None)]


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("plain text", "plain text"),
        ("", ""),
        (" edge", "=?base64?IGVkZ2U=?="),
        ("é", "=?base64?w6k=?="),
        ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
        ("a\nb", "=?base64?YQpi?="),
    ],
)
def test_a_header_value_survives_its_way(value: str, header: str) -> None:
    assert encode_value(value) == header


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "not a token"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": 1}}},
        {"properties": {"a": {"items": {"type": "string", "x-mcp-header": "A"}}}},
        {"anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]},
        {"properties": {name: {"type": "string", "x-mcp-header": header} for name, header in (("a", "X"), ("b", "x"))}},
        {"x-mcp-header": "A", "type": "string"},
    ],
)
def test_a_header_annotation_that_is_not_allowed_is_refused(schema: Json) -> None:
    with pytest.raises(AnnotationError):
        build_header_map(schema)


def test_a_property_that_is_called_like_the_annotation_is_none() -> None:
    header_map = build_header_map({"properties": {"x-mcp-header": {"type": "string"}}, "default": {"x-mcp-header": 1}})
    assert header_map == {}


def test_only_values_that_are_there_become_headers() -> None:
    schema = {"properties": {name: {"type": "integer", "x-mcp-header": name} for name in ("a", "b", "c")}}
    assert param_headers(build_header_map(schema), {"a": 0, "b": None}) == {"Mcp-Param-a": "0"}


def test_a_seal_opens_for_its_key_and_purpose_only() -> None:
    seal = Seal(b"key")
    closed = seal.close(b"data", "one")
    assert seal.open(closed, "one") == b"data"
    assert seal.close(b"data", "one") != closed
    for other, text, purpose in ((seal, closed, "two"), (Seal(b"other"), closed, "one"), (seal, closed[:-2], "one")):
        with pytest.raises(BrokenSealError):
            other.open(text, purpose)
    for nonsense in ("", "ä", "!!!!", "YQ"):
        with pytest.raises(BrokenSealError):
            seal.open(nonsense, "one")


def test_delays_double_up_to_half_a_minute_and_start_over() -> None:
    backoff = Backoff()
    delays = [backoff.next_delay_s() for _ in range(12)]
    assert 0.16 <= delays[0] <= 0.24
    assert all(24 <= delay <= 36 for delay in delays[-3:])
    backoff.reset()
    assert backoff.next_delay_s() <= 0.24


def test_a_server_s_log_never_takes_more_than_two_files(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "folder" / "a.log", logging.getLogger("test"))
    for _ in range(20):
        log.write(b"x" * 100_000)
        log.allow_another_second()
    log.close()
    files = sorted((tmp_path / "folder").iterdir())
    assert [each.name for each in files] == ["a.log", "a.log.1"]
    assert all(each.stat().st_size <= FILE_BYTES for each in files)


def test_importing_the_package_loads_neither_the_sdk_nor_the_http_library() -> None:
    code = "import sys, hub.upstream; print(sorted({'aiohttp', 'mcp', 'httpx2', 'httpx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=30)
    assert done.stdout == "[]\n"
