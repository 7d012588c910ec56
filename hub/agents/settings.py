"""What can be said about one agent in hub.yaml."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, RootModel

from hub.errors import HubError
from hub.upstream import EntrySettings


def _checked_model(model: str) -> str:
    # Loaded here: a hub without agents needs nothing of theirs.
    from hub.agents.models.choice import choose

    try:
        choose(model)
    except HubError as error:
        raise ValueError(str(error)) from error
    return model


class AgentSettings(EntrySettings):
    """One entry of `agents:` in hub.yaml."""

    python: str = Field(
        pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_.]*$",
        description="A DurableAgent, or a class of them: `package.module:attribute`, or `path/file.py:attribute` "
        "relative to the configuration file.",
    )
    model: Annotated[str, AfterValidator(_checked_model)] | None = Field(
        default=None,
        description="The model in the place of the agent's own: `openai:...`, `URL#NAME`, `offline`, ...",
    )


class Agents(RootModel[dict[str, AgentSettings]]):
    """The durable agents of the hub, by name."""


class AgentsSection:
    """Tells the configuration that there is such a section."""

    @property
    def sections(self) -> Mapping[str, type[BaseModel]]:
        return {"agents": Agents}


owner = AgentsSection()
