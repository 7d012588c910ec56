"""`python -m mcp_servers.notes`: the notes server as a program."""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

import anyio

from mcp_servers.notes.server import build_server
from mcp_servers.notes.store import NoteStore, NoteStoreError
from mcp_servers.serving import AddressError, add_serving_arguments, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="mcp_servers.notes", description="An MCP server that keeps notes.")
    add_serving_arguments(parser)
    parser.add_argument(
        "--db",
        type=Path,
        default=Path(os.environ["NOTES_DB"]) if os.environ.get("NOTES_DB") else _default_path(),
        help="SQLite file; also NOTES_DB (default: %(default)s)",
    )
    options = parser.parse_args()
    try:
        store = NoteStore.open(options.db)
    except (NoteStoreError, OSError) as error:
        sys.stderr.write(f"notes: {error}\n")
        return 2
    with closing(store):
        try:
            anyio.run(lambda: serve(build_server(store), http_port=options.http, host=options.host))
        except AddressError as error:
            sys.stderr.write(f"notes: {error}\n")
            return 2
    return 0


def _default_path() -> Path:
    """Source: XDG Base Directory Specification, XDG_DATA_HOME."""
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "interop-hub" / "notes.db"


if __name__ == "__main__":
    sys.exit(main())
