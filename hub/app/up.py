"""A sidecar for one configuration, with a command beside it: the embedded one, or Dapr's own programs."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.app.beside import dapr_variables, run_beside
from hub.app.dapr import open_dapr, prepare_dapr
from hub.app.dapr_programs import DaprPorts, find_dapr_programs
from hub.config import Places, load_embedded
from hub.sidecar import SidecarSettings

TOKEN_VARIABLE = "DAPR_API_TOKEN"  # noqa: S105 - the name of a variable, not its value


@dataclass(frozen=True, slots=True, kw_only=True)
class UpSettings:
    """Which sidecar, and where it listens."""

    real_dapr: bool
    grpc_port: int
    """0: a free one."""
    http_port: int
    resources: Path | None = None
    """For Dapr's own programs: a folder with components; without it, SQLite."""


async def up(
    settings: UpSettings,
    places: Places,
    command: Sequence[str],
    variables: Mapping[str, str],
    on_ready: Callable[[dict[str, str]], None],
) -> int:
    """Keep a sidecar up while the command runs, or until SIGINT or SIGTERM.

    Args:
        variables: the environment. `DAPR_API_TOKEN` becomes the sidecar's token.
        on_ready: told the variables by which programs find the sidecar, once it answers.

    Returns:
        The command's exit code.

    Raises:
        ConfigError: programs, ports, components or the command are not there, or the embedded sidecar's file cannot
            be used.
        DaprDownError: that file is in use, or its disk is full.
        UpstreamDownError: one of Dapr's programs ended, or they were not ready in time.
    """
    places.make()
    opened = _real_dapr(settings, places, variables) if settings.real_dapr else _embedded(settings, places, variables)
    async with opened as dapr:
        return await run_beside(command, dapr, variables, lambda: on_ready(dapr))


@asynccontextmanager
async def _real_dapr(
    settings: UpSettings, places: Places, variables: Mapping[str, str]
) -> AsyncGenerator[dict[str, str]]:
    programs = find_dapr_programs(variables)
    ports = DaprPorts.free(grpc=settings.grpc_port, http=settings.http_port)
    setup = prepare_dapr(programs, places.state / "dapr", ports, settings.resources)
    async with open_dapr(setup, variables):
        yield dapr_variables(grpc_port=ports.grpc, http_port=ports.http)


@asynccontextmanager
async def _embedded(
    settings: UpSettings, places: Places, variables: Mapping[str, str]
) -> AsyncGenerator[dict[str, str]]:
    from hub.sidecar.errors import SidecarError
    from hub.sidecar.server import open_sidecar

    settings_of_sidecar = SidecarSettings(
        db_path=places.state / "sidecar.db",
        grpc_port=settings.grpc_port,
        http_port=settings.http_port,
        token=variables.get(TOKEN_VARIABLE) or None,
        **load_embedded(places.config, variables).model_dump(),
    )
    try:
        async with open_sidecar(settings_of_sidecar) as sidecar:
            yield dapr_variables(grpc_port=sidecar.grpc_port, http_port=sidecar.http_port)
    except SidecarError as error:
        from hub.runner.embedded import to_hub_error  # brings all of the runner

        raise to_hub_error(error) from error
