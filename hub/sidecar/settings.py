"""What a sidecar is opened with."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSettings:
    """Where the sidecar keeps its data, where it listens, and the limits it holds."""

    db_path: Path
    grpc_port: int = 0
    """0 takes a free port; `Sidecar.grpc_port` tells which."""
    http_port: int = 0
    host: str = "127.0.0.1"
    token: str | None = field(default=None, repr=False)
    """Wanted in the header `dapr-api-token` of each call, if set."""
    app_id: str = "hub"
    state_stores: tuple[str, ...] = ("statestore",)
    pubsubs: tuple[str, ...] = ("pubsub",)
    survives_power_loss: bool = True
    """Whether each commit waits for the disk; without, only a crash of the machine can lose the last moments."""
    max_message_bytes: int = 16 * MIB
    """Largest request; a larger one is refused with RESOURCE_EXHAUSTED."""
    max_work_item_bytes: int = 128 * MIB
    """Largest history that is sent to a worker; a run beyond it is stalled until a sidecar that allows more starts."""
    max_file_bytes: int | None = None
    """Where the database file stops to grow; None leaves it to the disk."""
    worker_lease_s: float = 90.0
    """Silence after which a worker's items go to another one. The SDK's worker speaks at least every 30 s."""
    turn_lease_s: float = 60.0
    """How long one turn may take before it is given out again."""
    turns_per_worker: int = 100
    activities_per_worker: int = 1000
    events_per_subscriber: int = 10
    event_lease_s: float = 300.0
    """How long a subscriber may keep an event without an answer."""
    max_deliveries: int = 5
    """Tries after which an event goes to the subscription's dead-letter topic."""
    redelivery_first_s: float = 0.1
    redelivery_max_s: float = 15.0
    retention_s: float | None = None
    """Age after which finished runs are deleted; None keeps them."""
    event_retention_s: float = 7 * 86400.0
    """Age after which an event that nobody took is deleted."""
    sweep_interval_s: float = 30.0

    def __post_init__(self) -> None:
        if self.host != "localhost" and not ipaddress.ip_address(self.host).is_loopback:
            raise ValueError(f"the embedded sidecar listens on loopback only, not on {self.host}")
