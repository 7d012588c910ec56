"""A running hub as the one, transparent server of another process."""

from hub.config import Running
from hub.upstream import ServerSettings


def authorization(running: Running) -> dict[str, str]:
    """The header by which a running hub lets this process in."""
    return {} if running.token is None else {"Authorization": f"Bearer {running.token}"}


def bridge_to(running: Running) -> ServerSettings:
    """The settings under which the running hub stands behind this process, names and ids unchanged."""
    return ServerSettings.model_validate(
        {"url": running.url, "headers": authorization(running), "transparent": True, "concurrency": 1024}
    )
