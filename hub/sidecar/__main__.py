"""The sidecar as a program of its own: `python -m hub.sidecar --db FILE --grpc-port N --http-port N`."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SidecarError
from .program import run_program
from .settings import MIB, SidecarSettings

if TYPE_CHECKING:
    from .server import Sidecar


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
    parser.add_argument(
        "--event-retention-s",
        type=float,
        default=7 * 86_400.0,
        help="delete events that nobody took after this many seconds (default: %(default)s)",
    )
    parser.add_argument("--max-file-bytes", type=int, help="where the file stops to grow")
    parser.add_argument(
        "--max-message-bytes", type=int, default=16 * MIB, help="largest request (default: %(default)s)"
    )
    parser.add_argument(
        "--max-work-item-bytes",
        type=int,
        default=128 * MIB,
        help="largest history that a worker gets; a run beyond it stalls (default: %(default)s)",
    )
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
        event_retention_s=args.event_retention_s,
        max_file_bytes=args.max_file_bytes,
        max_message_bytes=args.max_message_bytes,
        max_work_item_bytes=args.max_work_item_bytes,
        worker_lease_s=args.worker_lease_s,
    )
    try:
        run_program(settings, _announce, stop_with_stdin=args.stop_with_stdin)
    except SidecarError as error:
        sys.stderr.write(f"sidecar: {error}\n")
        return 1
    return 0


def _announce(sidecar: "Sidecar") -> None:
    sys.stdout.write(json.dumps({"grpc_port": sidecar.grpc_port, "http_port": sidecar.http_port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
