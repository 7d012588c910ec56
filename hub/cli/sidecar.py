"""`hub sidecar`: the embedded sidecar alone, for any program on the Dapr SDK."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.options import JsonOption
from hub.cli.output import note, write_json

if TYPE_CHECKING:
    from hub.sidecar.server import Sidecar


def sidecar(
    db: Annotated[
        Path, typer.Option("--db", metavar="FILE", help="Its SQLite file; made if it is not there.", show_default=False)
    ],
    grpc_port: Annotated[
        int, typer.Option("--grpc-port", metavar="N", min=0, max=65535, help="Port of Dapr's API; 0: a free one.")
    ] = 50_001,
    http_port: Annotated[
        int,
        typer.Option("--http-port", metavar="N", min=0, max=65535, help="Port of its health checks; 0: a free one."),
    ] = 3_500,
    app_id: Annotated[str, typer.Option("--app-id", metavar="ID", help="The application's id.")] = "hub",
    state_store: Annotated[
        list[str] | None,
        typer.Option("--state-store", metavar="NAME", help="A state store; may be given again; default: statestore."),
    ] = None,
    pubsub: Annotated[
        list[str] | None,
        typer.Option("--pubsub", metavar="NAME", help="A pub/sub component; may be given again; default: pubsub."),
    ] = None,
    retention_s: Annotated[
        float | None,
        typer.Option("--retention-s", metavar="S", min=0, help="Delete finished runs after this; default: never."),
    ] = None,
    event_retention_s: Annotated[
        float,
        typer.Option("--event-retention-s", metavar="S", min=0, help="Delete events that nobody took after this."),
    ] = 7 * 86_400.0,
    max_file_bytes: Annotated[
        int | None,
        typer.Option("--max-file-bytes", metavar="N", min=1, help="Where the file stops to grow; default: the disk."),
    ] = None,
    max_message_bytes: Annotated[
        int,
        typer.Option("--max-message-bytes", metavar="N", min=1, help="Largest request; a larger one is refused."),
    ] = 16 * 2**20,
    max_work_item_bytes: Annotated[
        int,
        typer.Option(
            "--max-work-item-bytes", metavar="N", min=1, help="Largest history a worker gets; a run beyond it stalls."
        ),
    ] = 128 * 2**20,
    worker_lease_s: Annotated[
        float,
        typer.Option("--worker-lease-s", metavar="S", min=1, help="Silence after which a worker loses its items."),
    ] = 90.0,
    as_json: JsonOption = False,
) -> None:
    """Serve Dapr's API alone, over one SQLite file, until Ctrl-C. Its token: the variable DAPR_API_TOKEN."""
    import logging

    from hub.config.environment import variables
    from hub.sidecar import SidecarSettings
    from hub.sidecar.errors import SidecarError
    from hub.sidecar.program import run_program

    logging.basicConfig(force=True, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = SidecarSettings(
        db_path=db,
        grpc_port=grpc_port,
        http_port=http_port,
        token=variables().get("DAPR_API_TOKEN") or None,
        app_id=app_id,
        state_stores=tuple(state_store or ("statestore",)),
        pubsubs=tuple(pubsub or ("pubsub",)),
        retention_s=retention_s,
        event_retention_s=event_retention_s,
        max_file_bytes=max_file_bytes,
        max_message_bytes=max_message_bytes,
        max_work_item_bytes=max_work_item_bytes,
        worker_lease_s=worker_lease_s,
    )

    def on_ready(found: "Sidecar") -> None:
        ports = {"DAPR_GRPC_PORT": str(found.grpc_port), "DAPR_HTTP_PORT": str(found.http_port)}
        if as_json:
            write_json(ports)
        else:
            note(f"hub: a sidecar is up: {' '.join(f'{name}={value}' for name, value in ports.items())}")

    try:
        run_program(settings, on_ready)
    except SidecarError as error:
        from hub.runner.embedded import to_hub_error

        raise to_hub_error(error) from error
