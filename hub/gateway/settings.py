"""What can be said about the hub's own endpoint."""

from pydantic import BaseModel, ConfigDict, Field

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class GatewaySettings(BaseModel):
    """The section `gateway:` of hub.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; any other than loopback needs a token.")
    port: int = Field(8080, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    path: str = Field("/mcp", pattern=r"^/[A-Za-z0-9/_.-]*$", description="Path of the MCP endpoint.")
    token_file: str | None = Field(
        None, description="File whose first line is the token that clients send as `Authorization: Bearer`."
    )
    short_lane: bool = Field(True, description="`false`: every call takes the long road through the SDK.")
    max_body_bytes: int = Field(4 * 2**20, ge=1024, le=2**30, description="Largest request taken from a client.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Further values of the Host header that are served, as `name` or `name:port`."
    )
    allowed_origins: tuple[str, ...] = Field((), description="Further values of the Origin header that are served.")
    max_sessions: int = Field(1024, ge=1, le=100_000, description="Sessions of handshake-era clients at once.")
    session_idle_s: float = Field(1800, gt=0, le=86_400, description="Seconds until an idle session is ended.")
