"""The quickstart does what the README says."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from examples.quickstart.feed import PAPERS, answer
from examples.quickstart.snippets import client_snippets
from mcp_servers.papers.atom import parse_feed
from tests.tooling.locks import CHECKOUT
from tests.tooling.ports import free_port

TOUR_TIMEOUT_S = 240
GONE_S = 10


def start_tour(home: Path, variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    own = {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "QUICKSTART_STATE": str(home / "quickstart"),
        "QUICKSTART_PORT": str(free_port()),
    }
    environment = {**os.environ, **own, **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "examples.quickstart.tour"],
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(tour: "subprocess.Popen[str]", beginning: str) -> str:
    """What the tour wrote up to the line that begins so, or up to its end."""
    assert tour.stdout is not None
    seen = ""
    for line in tour.stdout:
        seen += line
        if line.startswith(beginning):
            break
    return seen


def wait_until_gone(pids: Sequence[int]) -> None:
    end = time.monotonic() + GONE_S
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < end, f"still there: {alive}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie has ended, and waits for whoever adopted it


def descendants(pid: int) -> list[int]:
    """The processes that the tour has started, theirs included."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


@pytest.mark.timeout(TOUR_TIMEOUT_S)
def test_the_tour_uses_each_server_and_ends_with_a_status(tmp_path: Path) -> None:
    tour = start_tour(tmp_path, {"ONCE": "1"})
    output, _ = tour.communicate(timeout=TOUR_TIMEOUT_S - 10)
    assert tour.returncode == 0, output
    for expected in (
        "notes: add_note, delete_note, get_note, list_notes, search_notes, tag_note, untag_note, update_note",
        "papers: read_paper, search_papers",
        "time: convert_time, get_current_time",
        "note 1, 'Quickstart': The hub relays every server behind one endpoint.",
        "9901.00002v2: Agents that survive the end of their process",
        "Every server answered as it should.",
        "The endpoint: http://127.0.0.1:",
    ):
        assert expected in output


@pytest.mark.timeout(TOUR_TIMEOUT_S)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
def test_ctrl_c_ends_everything_that_the_demo_started(tmp_path: Path) -> None:
    tour = start_tour(tmp_path, {"ONCE": ""})
    try:
        seen = read_until(tour, "Serving until Ctrl-C.")
        assert tour.poll() is None, seen
        started = descendants(tour.pid)
        assert len(started) >= 5, "the hub and its four servers"
        tour.send_signal(signal.SIGINT)
        rest, _ = tour.communicate(timeout=30)
        assert tour.returncode == 0, rest
        wait_until_gone(started)
    finally:
        tour.kill()
        tour.communicate()


@pytest.mark.timeout(TOUR_TIMEOUT_S)
@pytest.mark.crash
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
def test_the_demo_ends_with_an_error_when_the_hub_is_killed(tmp_path: Path) -> None:
    tour = start_tour(tmp_path, {"ONCE": ""})
    try:
        seen = read_until(tour, "Serving until Ctrl-C.")
        started = descendants(tour.pid)
        assert started, seen
        hub = next(pid for pid in started if "serve" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
        os.kill(hub, signal.SIGKILL)
        rest, _ = tour.communicate(timeout=30)
        assert tour.returncode == 1, seen + rest
        assert f"The quickstart failed: the hub ended by itself with status -{signal.SIGKILL:d}" in rest
        wait_until_gone(started)
    finally:
        tour.kill()
        tour.communicate()


@pytest.mark.timeout(TOUR_TIMEOUT_S)
def test_a_tour_that_cannot_be_prepared_says_why(tmp_path: Path) -> None:
    tour = start_tour(tmp_path, {"ONCE": "1", "UV": str(tmp_path / "none"), "QUICKSTART_ENVS": str(tmp_path / "envs")})
    output, _ = tour.communicate(timeout=30)
    assert tour.returncode == 1, output
    assert "The quickstart failed: uv could not be run to its end" in output
    assert "Traceback" not in output


def test_the_local_feed_is_one_that_papers_can_read() -> None:
    everything = parse_feed(answer({"search_query": ["all:invented"], "max_results": ["2"]}).encode())
    assert (everything.total, everything.start) == (len(PAPERS), 0)
    assert [paper.id for paper in everything.papers] == [paper.id for paper in PAPERS[:2]]
    assert parse_feed(answer({"id_list": ["9901.00003"]}).encode()).papers[0].title == PAPERS[2].title
    assert parse_feed(answer({"search_query": ["all:nothing"]}).encode()).papers == []


def test_the_snippets_are_json_of_the_three_clients() -> None:
    text = client_snippets("http://127.0.0.1:1/mcp", Path("/somewhere/hub.yaml"))
    parts: dict[str, Any] = {}
    for part in text.split("\n\n"):
        name, _, snippet = part.partition(":\n")
        parts[name] = json.loads(snippet)
    hub = str(Path(sys.executable).parent / "hub")
    assert parts == {
        "Claude Desktop (claude_desktop_config.json)": {
            "mcpServers": {"hub": {"command": hub, "args": ["serve", "--stdio", "--config", "/somewhere/hub.yaml"]}}
        },
        "VS Code (.vscode/mcp.json)": {"servers": {"hub": {"type": "http", "url": "http://127.0.0.1:1/mcp"}}},
        "Cursor (.cursor/mcp.json)": {"mcpServers": {"hub": {"url": "http://127.0.0.1:1/mcp"}}},
    }
