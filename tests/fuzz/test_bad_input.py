"""Generated bad input, over HTTP and stdio and in both eras: it is answered, shows nothing, and harms nobody.

The seed is `FUZZ_SEED` or a fixed one. A message that is answered wrongly is kept in `.cache/fuzz`; the same seed and
number make it again.
"""

import os
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.measured import write_section
from tests.faults.trouble import http_server, stdio_server
from tests.fuzz.http_run import assert_serves, run_http
from tests.fuzz.stdio_run import Pipe, run_stdio
from tests.tooling.hub_process import hub_command, hub_environment, open_hub, write_config
from tests.tooling.locks import CACHE, CHECKOUT
from tests.tooling.wire import Json

pytestmark = pytest.mark.fuzz

SEED = int(os.environ.get("FUZZ_SEED", "20260728"))
KEEP_IN = CACHE / "fuzz"


@pytest.fixture(scope="module")
def rows(full: bool) -> Generator[list[tuple[str, ...]]]:
    """What was sent and how it went; a full run writes it down."""
    found: list[tuple[str, ...]] = []
    yield found
    if full and found:
        head = ("way in", "era", "messages", "answered wrongly", "messages a second")
        write_section(
            "Bad input", [head, *found], note=f"Seed {SEED}; a good call of each kind in between and at the end."
        )


def servers(folder: Path, stack: ExitStack) -> dict[str, Json]:
    """Two good servers; only their echo is there, so that no odd argument can ask them for harm."""
    remote = stack.enter_context(http_server(folder, "remote"))
    return {"local": {**stdio_server(), "tools": ["echo"]}, "remote": {**remote, "tools": ["echo"]}}


def assert_quiet(log: Path) -> None:
    text = log.read_text(errors="replace")
    at = text.find("Traceback")
    assert at < 0, f"the hub's log holds a traceback:\n{text[max(0, at - 300) : at + 3000]}"


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
def test_bad_requests_over_http_are_answered_and_harm_nobody(
    modern: bool, tmp_path: Path, full: bool, rows: list[tuple[str, ...]]
) -> None:
    count = 80_000 if full else 2_000
    with ExitStack() as stack:
        hub = stack.enter_context(open_hub(tmp_path, servers(tmp_path, stack)))
        assert_serves(hub.port)
        started_at = time.monotonic()
        findings = run_http(hub.port, SEED, count, modern=modern, keep_in=KEEP_IN)
        rate = count / (time.monotonic() - started_at)
        rows.append(("HTTP", "modern" if modern else "legacy", f"{count:,}", str(len(findings)), f"{rate:.0f}"))
        assert findings == [], "\n".join(findings)
        assert_serves(hub.port)
        assert hub.program.returncode is None
        assert_quiet(hub.program.log)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
def test_bad_lines_on_stdio_are_answered_and_end_nothing(
    modern: bool, tmp_path: Path, full: bool, rows: list[tuple[str, ...]]
) -> None:
    count = 20_000 if full else 500
    log = tmp_path / "hub.log"
    with ExitStack() as stack:
        config = write_config(tmp_path, servers(tmp_path, stack))
        pipe = Pipe(hub_command(config, "--stdio"), env=hub_environment(tmp_path), cwd=CHECKOUT, log=log)
        try:
            started_at = time.monotonic()
            findings = run_stdio(pipe, SEED, count, modern=modern, keep_in=KEEP_IN)
            rate = count / (time.monotonic() - started_at)
            rows.append(("stdio", "modern" if modern else "legacy", f"{count:,}", str(len(findings)), f"{rate:.0f}"))
        finally:
            code = pipe.close()
        assert findings == [], "\n".join(findings)
        assert code == 0
        assert_quiet(log)
