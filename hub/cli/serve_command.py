"""`hub serve`: the endpoint."""

from pathlib import Path
from typing import Annotated

import typer

from hub import forking
from hub.cli.failures import UsageError
from hub.cli.options import ConfigOption, JsonOption, load
from hub.cli.output import note, write_json


def serve(
    config: ConfigOption = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="H", help="Address to listen on; other than loopback needs a token.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="Port to listen on; 0: a free one.")
    ] = None,
    stdio: Annotated[
        bool,
        typer.Option("--stdio", help="Serve one client on this program's pipe; beside a running hub, bridge to it."),
    ] = False,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="F", help="File with the token that clients must show.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, on standard error.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve all servers behind one endpoint until Ctrl-C. A change of the file applies at once."""
    import logging

    if stdio and as_json:
        raise UsageError("found --stdio and --json; expected one: standard output carries MCP; leave one out")
    loaded, places = load(config)
    logging.basicConfig(
        force=True,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for chatty in ("mcp", "httpx", "httpx2", "httpcore", "asyncio", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.INFO if verbose else logging.WARNING)

    import anyio

    from hub.app import serve as serve_hub
    from hub.config import with_gateway

    changes: dict[str, object] = {"host": host, "port": port}
    if token_file is not None:
        changes["token_file"] = str(token_file.expanduser().absolute())
    loaded = with_gateway(loaded, **{key: value for key, value in changes.items() if value is not None})

    def on_ready(url: str) -> None:
        if as_json:
            write_json({"url": url})
        else:
            note(f"hub: serving {len(loaded.config.servers)} servers at {url}")

    async def serve_until_stopped() -> int:
        return await serve_hub(loaded, places, stdio=stdio, on_ready=on_ready)

    code = anyio.run(serve_until_stopped, backend_options={"use_uvloop": _has_uvloop()})
    if code:
        raise typer.Exit(code)


def _has_uvloop() -> bool:
    from importlib.util import find_spec

    return find_spec("uvloop") is not None and forking.is_safe()
