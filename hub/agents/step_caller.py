"""A step of a durable run as a caller of providers."""

from typing import Any, Final

from hub.catalog.provider import Era, Json
from hub.errors import UnsupportedError

_CAPABILITIES: Final[Json] = {"elicitation": {"form": {}, "url": {}}}


class StepCaller:
    """Never blocks on a person: what a provider asks comes back as questions, which the run takes over."""

    def __init__(self, run_id: str, agent: str) -> None:
        self._identity = f"run:{run_id}"
        self._agent = agent

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def era(self) -> Era:
        return "modern"

    @property
    def live(self) -> bool:
        return False

    @property
    def client_info(self) -> Json | None:
        return {"name": self._agent, "version": "1"}

    @property
    def capabilities(self) -> Json:
        return _CAPABILITIES

    @property
    def wants_progress(self) -> bool:
        return False

    @property
    def log_level(self) -> str | None:
        return None

    async def progress(self, params: Json) -> None:
        """Nobody is there to see it."""

    async def log(self, params: Json) -> None:
        """Nobody is there to see it."""

    async def ask(self, method: str, params: Json) -> dict[str, Any]:
        raise UnsupportedError(f"{method}: a step of a run waits for nobody; return the questions instead")
