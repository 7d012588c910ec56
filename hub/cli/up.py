"""`hub up`: a sidecar, and a command beside it."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.failures import UsageError
from hub.cli.options import ConfigOption, JsonOption
from hub.cli.output import note, write_json


def up(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND", help="After `--`: run beside the sidecar, which ends with it.", show_default=False
        ),
    ] = None,
    dapr: Annotated[
        bool, typer.Option("--dapr", help="Dapr's own programs (`make dapr`, or DAPR_BIN_DIR), not the embedded one.")
    ] = False,
    resources: Annotated[
        Path | None,
        typer.Option("--resources", metavar="FOLDER", help="With --dapr: YAML of components; default: SQLite."),
    ] = None,
    grpc_port: Annotated[
        int, typer.Option("--grpc-port", metavar="N", min=0, max=65535, help="Port of Dapr's API; 0: a free one.")
    ] = 50_001,
    http_port: Annotated[
        int,
        typer.Option("--http-port", metavar="N", min=0, max=65535, help="Port of its health checks; 0: a free one."),
    ] = 3_500,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a Dapr sidecar up for agents and runs. It stays until the command ends or Ctrl-C."""
    if resources is not None and not dapr:
        raise UsageError("found --resources without --dapr; the embedded sidecar has its own; add --dapr")

    import anyio

    from hub.app.up import UpSettings
    from hub.app.up import up as keep_up
    from hub.config import Places, find_config
    from hub.config.environment import variables

    settings = UpSettings(real_dapr=dapr, grpc_port=grpc_port, http_port=http_port, resources=resources)
    places = Places.of(find_config(config))

    def on_ready(found: dict[str, str]) -> None:
        if as_json:
            write_json(found)
        else:
            note(f"hub: a sidecar is up: {' '.join(f'{name}={value}' for name, value in found.items())}")

    async def until_stopped() -> int:
        return await keep_up(settings, places, command or [], variables(), on_ready)

    code = anyio.run(until_stopped)
    if code:
        raise typer.Exit(code)
