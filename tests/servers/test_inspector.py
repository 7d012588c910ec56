"""The MCP Inspector, a client on another SDK, finds nothing to say against the servers' schemas."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.inspector.inspector import Era, inspect
from tests.servers.feeds import Reply, entry, feed, feed_server
from tests.tooling.ports import LOOPBACK, free_port
from tests.tooling.programs import open_program

ERAS: list[Era] = ["legacy", "modern"]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """Both servers over HTTP, papers in front of a local feed."""
    folder = tmp_path_factory.mktemp("inspected")
    ports = {"notes": free_port(), "papers": free_port()}
    with feed_server(Reply(body=feed([entry("2601.00001v1", "Found")]))) as feeds:
        arguments = {"notes": ["--db", folder / "notes.db"], "papers": ["--base-url", feeds.url, "--interval", "0"]}
        command = {
            name: [sys.executable, "-m", f"mcp_servers.{name}", *arguments[name], "--http", str(port)]
            for name, port in ports.items()
        }
        with (
            open_program(command["notes"], folder / "notes.log") as notes,
            open_program(command["papers"], folder / "papers.log") as papers,
        ):
            notes.wait_for_port(ports["notes"])
            papers.wait_for_port(ports["papers"])
            yield {name: f"http://{LOOPBACK}:{port}/mcp" for name, port in ports.items()}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("name", "count"), [("notes", 8), ("papers", 2)])
def test_the_inspector_finds_no_fault_in_the_schemas(
    addresses: dict[str, str], tmp_path: Path, name: str, count: int, era: Era
) -> None:
    finished = inspect(addresses[name], era, tmp_path, "--strict", "--method", "tools/list")
    assert "schemaFindings" not in finished.output
    assert len(finished.result["tools"]) == count


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_calls_and_reads(addresses: dict[str, str], tmp_path: Path, era: Era) -> None:
    call = ("--method", "tools/call", "--tool-name")
    note = ("--tool-arg", "title=Seen", "body=by another client")
    added = inspect(addresses["notes"], era, tmp_path, *call, "add_note", *note).result["structuredContent"]
    read = inspect(addresses["notes"], era, tmp_path, "--method", "resources/read", "--uri", added["uri"]).result
    assert read["contents"] == [
        {"uri": added["uri"], "mimeType": "text/markdown", "text": "# Seen\n\nby another client\n"}
    ]
    found = inspect(addresses["papers"], era, tmp_path, *call, "search_papers", "--tool-arg", "query=found").result
    assert [paper["title"] for paper in found["structuredContent"]["papers"]] == ["Found"]
