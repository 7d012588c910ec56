"""The MCP Inspector, a client on another SDK, finds nothing to say against the servers' schemas."""

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.feeds import Reply, entry, feed, feed_server
from tests.tooling.node import node, node_environment, npm_package
from tests.tooling.ports import LOOPBACK, free_port
from tests.tooling.programs import open_program

INSPECTOR_VERSION = "2.12.0"
ERAS = ["legacy", "modern"]


@pytest.fixture(scope="module")
def inspector() -> Path:
    package = npm_package("@modelcontextprotocol/inspector", INSPECTOR_VERSION)
    return package / "clients" / "launcher" / "build" / "index.js"


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


def inspect(inspector: Path, folder: Path, url: str, era: str, *arguments: str) -> Any:
    finished = subprocess.run(
        [
            *(str(node()), str(inspector), "--cli", "--server-url", url, "--transport", "http"),
            *("--protocol-era", era, "--format", "json", *arguments),
        ],
        env=node_environment() | {"MCP_CATALOG_PATH": str(folder / "catalog.json"), "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("name", "count"), [("notes", 8), ("papers", 2)])
def test_the_inspector_finds_no_fault_in_the_schemas(
    inspector: Path, addresses: dict[str, str], tmp_path: Path, name: str, count: int, era: str
) -> None:
    answer = inspect(inspector, tmp_path, addresses[name], era, "--strict", "--method", "tools/list")
    assert "schemaFindings" not in json.dumps(answer)
    assert json.dumps(answer).count('"inputSchema"') == count


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_calls_and_reads(inspector: Path, addresses: dict[str, str], tmp_path: Path, era: str) -> None:
    added = inspect(
        inspector,
        tmp_path,
        addresses["notes"],
        era,
        *("--method", "tools/call", "--tool-name", "add_note", "--tool-arg", "title=Seen", "body=by another client"),
    )
    uri = find(added, "structuredContent")["uri"]
    read = inspect(inspector, tmp_path, addresses["notes"], era, "--method", "resources/read", "--uri", uri)
    assert find(read, "contents") == [
        {"uri": uri, "mimeType": "text/markdown", "text": "# Seen\n\nby another client\n"}
    ]
    found = inspect(
        inspector,
        tmp_path,
        addresses["papers"],
        era,
        *("--method", "tools/call", "--tool-name", "search_papers", "--tool-arg", "query=found"),
    )
    assert [paper["title"] for paper in find(found, "structuredContent")["papers"]] == ["Found"]


def find(answer: Any, key: str) -> Any:
    """The value of a key, however the Inspector wraps the result."""
    return answer[key] if key in answer else answer["result"][key]
