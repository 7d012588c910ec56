"""The command line of the host."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import VERSION, protocol
from .catalog import Catalog, Loaded, load
from .environment import enter_project, quieten
from .failures import TargetError
from .pipe import Pipe
from .server import Server
from .storage import SqliteStore
from .targets import Target, framework_versions, parse_target

Json = dict[str, Any]


def main(arguments: Sequence[str], reading: int, writing: int) -> None:
    """Serve, or describe and exit; does not return.

    Args:
        reading: file descriptor of the client's messages.
        writing: file descriptor of the answers.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=options.log_level, format="%(levelname)s %(name)s: %(message)s")
    try:
        targets = [parse_target(text) for text in options.target]
    except TargetError as error:
        sys.exit(f"error: {error}")
    state: Path | None = options.state_dir.absolute() if options.state_dir else None
    storage: Path | None = options.storage_dir or (state / "crewai" if state else None)
    quieten(storage)
    enter_project(options.project.absolute())
    if options.describe:
        _exit(_describe(targets, writing))
    asyncio.run(_serve(targets, state, options.grace_s, reading, writing))
    _exit(0)


async def _serve(targets: list[Target], state: Path | None, grace_s: float, reading: int, writing: int) -> None:
    store = SqliteStore(state / "host.sqlite3") if state else None
    await Server(Pipe(reading, writing), Catalog(targets), store, grace_s).serve()


def _exit(code: int) -> None:
    """Leave without waiting for threads: one may still wait for a model whose answer nobody wants."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _describe(targets: list[Target], writing: int) -> int:
    loaded = load(targets)
    text = json.dumps(to_manifest(loaded), ensure_ascii=False, indent=1)
    with os.fdopen(writing, "wb") as out:
        out.write(text.encode("utf-8", "replace") + b"\n")
    return 1 if loaded.problems else 0


def to_manifest(loaded: Loaded) -> Json:
    """Give what a client may keep instead of starting the host to list its tools."""
    return {
        "host": protocol.SERVER_INFO,
        "protocolVersions": [protocol.MODERN, *protocol.LEGACY],
        "capabilities": protocol.CAPABILITIES,
        "python": ".".join(map(str, sys.version_info[:3])),
        "packages": framework_versions(),
        "tools": [tool.describe() for tool in loaded.tools.values()],
        "warnings": loaded.warnings,
        "problems": [
            {"target": problem.reference, "message": str(problem), "detail": problem.detail}
            for problem in loaded.problems
        ],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="interop-hub-host", description="MCP over stdio for crews, flows and graphs.")
    parser.add_argument(
        "--target",
        action="append",
        required=True,
        metavar="KIND:REFERENCE",
        help="crew, flow, graph, function, functions or auto, and package.module:Name or path/file.py:Name,"
        " crew.jsonc, langgraph.json[:graph]; or a JSON object with kind, ref and settings",
    )
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder; it becomes the current one")
    parser.add_argument("--state-dir", type=Path, help="keep journals, checkpoints and questions in a file there")
    parser.add_argument("--storage-dir", type=Path, help="crewai's own files (memory, knowledge)")
    parser.add_argument("--describe", action="store_true", help="print the manifest as JSON and exit")
    parser.add_argument("--grace-s", type=float, default=10.0, help="seconds that running calls get after SIGTERM")
    parser.add_argument("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.add_argument("--version", action="version", version=VERSION)
    return parser
