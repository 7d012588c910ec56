"""What can be said about one upstream server."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.catalog.provider import Era

TransportKind = Literal["stdio", "http", "sse"]

TRANSPORT_NAMES: Mapping[str, TransportKind] = {
    "stdio": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamableHttp": "http",
    "streamableHTTP": "http",
    "sse": "sse",
}
"""What `type` or `transport` says in the configurations of MCP clients."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class ServerSettings(BaseModel):
    """One entry of `servers:` in hub.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = Field(
        default=None, description="Program to start; it speaks MCP on its standard input and output."
    )
    args: tuple[str, ...] = Field(default=(), description="Arguments of `command`.")
    env: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="Environment of `command`, besides HOME, LANG, LOGNAME, PATH, SHELL, TERM, TMPDIR and USER.",
    )
    cwd: str | None = Field(
        default=None, description="Folder in which `command` runs; relative to the configuration file."
    )
    url: str | None = Field(default=None, description="Address of a server that is reached over HTTP.")
    transport: TransportKind | None = Field(
        default=None,
        description="`stdio` with `command`; `http` (Streamable HTTP, the default) or `sse` (old) with `url`.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Headers sent with each request to `url`."
    )
    era: Era | None = Field(
        default=None, description="Pins the protocol era; without it the hub finds out and remembers."
    )
    timeout_s: Seconds = Field(default=300, description="Seconds a call may take without an answer or progress.")
    start_timeout_s: Seconds = Field(default=30, description="Seconds from start to the end of the negotiation.")
    concurrency: int = Field(default=64, ge=1, le=10_000, description="Calls at once; more of them wait.")
    sessions: int = Field(
        default=1, ge=1, le=64, description="Processes of `command`, for a server that keeps nothing in its memory."
    )
    max_message_bytes: int = Field(default=64 * 2**20, ge=1024, description="Largest message taken from the server.")
    prefix: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{0,40}$",
        description="What stands before `__` in tool names; default: the name.",
    )
    tools: tuple[str, ...] | None = Field(
        default=None, description="Allowed tools, by the server's own names or patterns."
    )
    hide: tuple[str, ...] = Field(
        default=(), description="Hidden tools, by the server's own names or patterns (`delete_*`)."
    )
    transparent: bool = Field(default=False, description="Change no names, URIs or ids; at most one server may say so.")
    enabled: bool = Field(default=True, description="`false`: the server is left out.")

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("expected either `command` (a program) or `url` (an address)")
        if self.command is not None and self.transport not in (None, "stdio"):
            raise ValueError("`command` goes with `transport: stdio`")
        if self.url is not None and self.transport == "stdio":
            raise ValueError("`url` goes with `transport: http` or `transport: sse`")
        return self

    @property
    def kind(self) -> TransportKind:
        """The transport, worked out where it is not given."""
        return self.transport or ("stdio" if self.command is not None else "http")
