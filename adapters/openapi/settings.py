"""One entry of `openapi:` in hub.yaml."""

from typing import Annotated

from pydantic import Field, RootModel

from hub.upstream import EntrySettings

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class OpenApiSettings(EntrySettings):
    """A service that an OpenAPI document describes."""

    document: str = Field(description="OpenAPI 3.0 or 3.1, JSON or YAML: a file, or its address.")
    base_url: str | None = Field(
        default=None, description="Where the service is; default: what the document says, beside the document itself."
    )
    operations: tuple[str, ...] | None = Field(
        default=None, description="Allowed operations, as `operationId` or `GET /path`, or patterns of these."
    )
    credentials: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="By security scheme of the document: a key, a token, or `user:password`; write `${NAME}`.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Headers sent with each request to the service."
    )
    idempotency_header: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="The header in which the service takes a key (`Idempotency-Key`): POST is then tried again too.",
    )
    tries: int = Field(default=3, ge=1, le=10, description="Tries of a request that may be repeated.")
    timeout_s: Seconds = Field(default=60, description="Seconds that one try may take.")
    concurrency: int = Field(default=16, ge=1, le=1000, description="Requests at once; more of them wait.")
    max_response_bytes: int = Field(default=4 * 2**20, ge=1024, description="Largest answer taken from the service.")
    allow_private: bool = Field(
        default=False, description="Whether the service may be on a loopback, private or link-local address."
    )
    redirect_hosts: tuple[str, ...] = Field(
        default=(), description="Other hosts to which the service may redirect; they get no credentials."
    )
    check_answers: bool = Field(
        default=True,
        description="Whether answers are held to the document's schemas; `false`: tools have no output schema.",
    )


class OpenApi(RootModel[dict[str, OpenApiSettings]]):
    """HTTP services as tools, by name."""
