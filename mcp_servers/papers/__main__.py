"""`python -m mcp_servers.papers`: the papers server as a program."""

import argparse
import os
import sys
from urllib.parse import urlsplit

import anyio

from mcp_servers.papers.arxiv import DEFAULT_BASE_URL, ArxivSettings, open_arxiv
from mcp_servers.papers.server import build_server
from mcp_servers.serving import AddressError, add_serving_arguments, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="mcp_servers.papers", description="An MCP server that finds papers on arXiv.")
    add_serving_arguments(parser)
    parser.add_argument(
        "--base-url",
        type=_web_address,
        default=os.environ.get("PAPERS_BASE_URL") or DEFAULT_BASE_URL,
        help="address of the API; also PAPERS_BASE_URL (default: %(default)s)",
    )
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=os.environ.get("PAPERS_INTERVAL") or "3",
        metavar="SECONDS",
        help="time between two requests; also PAPERS_INTERVAL (default: %(default)s)",
    )
    options = parser.parse_args()
    settings = ArxivSettings(base_url=options.base_url, interval_s=options.interval)

    async def run() -> None:
        async with open_arxiv(settings) as arxiv:
            await serve(build_server(arxiv), http_port=options.http, host=options.host)

    try:
        anyio.run(run)
    except AddressError as error:
        sys.stderr.write(f"papers: {error}\n")
        return 2
    return 0


def _web_address(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is no address, expected one that begins with http:// or https://")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds from 0 to 3600")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
