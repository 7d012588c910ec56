"""What can be said about one agent in hub.yaml."""

from collections.abc import Mapping

from pydantic import BaseModel, Field, RootModel

from hub.upstream import EntrySettings


class AgentSettings(EntrySettings):
    """One entry of `agents:` in hub.yaml."""

    python: str = Field(
        pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_.]*$",
        description="A DurableAgent, or a class of them: `package.module:attribute`, or `path/file.py:attribute` "
        "relative to the configuration file.",
    )
    model: str | None = Field(
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
