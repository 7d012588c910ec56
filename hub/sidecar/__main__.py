"""The sidecar as a program of its own: `python -m hub.sidecar --db FILE --grpc-port N --http-port N`."""

import argparse
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path

import anyio
import anyio.to_thread

from .errors import SidecarError
from .server import Sidecar, serve_sidecar
from .settings import SidecarSettings


def main() -> int:
    """Serve until SIGINT, SIGTERM or, if asked for, the end of stdin. Prints its ports as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m hub.sidecar", description=__doc__)
    parser.add_argument("--db", type=Path, required=True, help="the SQLite file; made if it is not there")
    parser.add_argument("--grpc-port", type=int, default=50001, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--http-port", type=int, default=3500, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--app-id", default="hub")
    parser.add_argument("--state-store", action="append", help="name of a state store (default: statestore)")
    parser.add_argument("--pubsub", action="append", help="name of a pub/sub component (default: pubsub)")
    parser.add_argument("--retention-s", type=float, help="delete finished runs after this many seconds")
    parser.add_argument("--max-file-bytes", type=int, help="where the file stops to grow")
    parser.add_argument(
        "--worker-lease-s", type=float, default=90.0, help="silence after which a worker loses its items"
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when stdin ends: when the parent dies")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = SidecarSettings(
        db_path=args.db,
        grpc_port=args.grpc_port,
        http_port=args.http_port,
        token=os.environ.get("DAPR_API_TOKEN") or None,  # noqa: TID251 - Dapr's own variable, and a program of its own
        app_id=args.app_id,
        state_stores=tuple(args.state_store or ("statestore",)),
        pubsubs=tuple(args.pubsub or ("pubsub",)),
        retention_s=args.retention_s,
        max_file_bytes=args.max_file_bytes,
        worker_lease_s=args.worker_lease_s,
    )
    exit_code = 0
    _spare_what_stays()
    try:
        anyio.run(_serve, settings, args.stop_with_stdin, backend_options={"use_uvloop": sys.platform != "win32"})
    except* SidecarError as group:
        exit_code = 1
        for error in group.exceptions:
            sys.stderr.write(f"sidecar: {error}\n")
    return exit_code


def _spare_what_stays() -> None:
    """Leave what is imported out of garbage collections: each would stop everything for tens of milliseconds."""
    gc.freeze()


async def _serve(settings: SidecarSettings, stop_with_stdin: bool) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
        if stop_with_stdin:
            tasks.start_soon(_stop_on_stdin, tasks.cancel_scope)
        try:
            await serve_sidecar(settings, _announce)
        finally:
            tasks.cancel_scope.cancel()


def _announce(sidecar: Sidecar) -> None:
    sys.stdout.write(json.dumps({"grpc_port": sidecar.grpc_port, "http_port": sidecar.http_port}) + "\n")
    sys.stdout.flush()


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _stop_on_stdin(scope: anyio.CancelScope) -> None:
    await anyio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
    scope.cancel()


if __name__ == "__main__":
    sys.exit(main())
