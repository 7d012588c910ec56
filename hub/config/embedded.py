"""What can be said about the embedded sidecar that a hub, a runner or `hub up` starts."""

from pydantic import BaseModel, ConfigDict, Field

_MOST_BYTES = 2**31 - 1  # gRPC's own


class EmbeddedSettings(BaseModel):
    """The section `sidecar:` of hub.yaml; the names and defaults are those of `hub.sidecar.SidecarSettings`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retention_s: float | None = Field(
        None, ge=0, description="Seconds after which finished runs are deleted; without it they are kept."
    )
    event_retention_s: float = Field(
        7 * 86_400.0, gt=0, description="Seconds after which an event that nobody took is deleted."
    )
    max_message_bytes: int = Field(
        16 * 2**20, ge=1024, le=_MOST_BYTES, description="Largest request that the sidecar takes."
    )
    max_work_item_bytes: int = Field(
        128 * 2**20,
        ge=1024,
        description="Largest history of a run that goes on; a run beyond it waits for a higher one.",
    )
    max_file_bytes: int | None = Field(
        None, ge=2**20, description="Where the sidecar's file stops to grow; without it, where its disk is full."
    )
