"""The model of hub.yaml, and what is known of a file that was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from hub.config.document import Document
from hub.config.embedded import EmbeddedSettings
from hub.gateway.settings import GatewaySettings
from hub.upstream.settings import ServerSettings

SERVER_NAME_PATTERN = r"^[A-Za-z0-9_-]{1,40}$"

FileStamp = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change of each file that was read; zeros for one that is not there."""


class HubConfig(BaseModel):
    """What stands in hub.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: dict[str, ServerSettings] = Field(
        default_factory=dict[str, ServerSettings], description="The MCP servers behind the hub, by name."
    )
    gateway: GatewaySettings = Field(
        default_factory=lambda: GatewaySettings.model_validate({}), description="The hub's own endpoint."
    )
    sidecar: EmbeddedSettings = Field(
        default_factory=lambda: EmbeddedSettings.model_validate({}),
        description="The embedded sidecar, where no Dapr is named.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A configuration file that was read and found right."""

    path: Path
    """The file, absolute."""
    config: HubConfig
    """References stay as they are written: this may be shown. Numbers and booleans are filled in."""
    resolved: HubConfig = field(repr=False)
    """The values to work with: references filled in, `cwd` and `token_file` absolute. Not to be shown."""
    sections: Mapping[str, BaseModel] = field(default_factory=dict[str, BaseModel], repr=False)
    """Sections that adapters own, by name, references filled in."""
    notes: tuple[str, ...] = ()
    """What was left out or changed when another client's file was read, a sentence each."""
    document: Document = field(repr=False)
    """Knows the line of each key."""
    stamp: FileStamp = ()
    """The files that were read, the configuration first."""

    def line(self, *path: str | int) -> int:
        """The line on which a key stands, or of what is nearest around it."""
        return self.document.line(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a new configuration changes; servers that are not enabled count as not there."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    """Settings of the endpoint that differ; they take a restart of the hub."""
    sidecar: tuple[str, ...] = ()
    """Settings of the embedded sidecar that differ; they take a restart of the process that has it."""
    sections: tuple[str, ...] = ()
    """Sections of adapters that differ."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.gateway or self.sidecar or self.sections)


def difference(old: LoadedConfig, new: LoadedConfig) -> Difference:
    """Compare two configurations by their values, so a changed variable or environment file counts too."""
    before, after = enabled_servers(old.resolved), enabled_servers(new.resolved)
    both = {*old.sections, *new.sections}
    return Difference(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name in after if name in before and before[name] != after[name]),
        gateway=_changed(old.resolved.gateway, new.resolved.gateway),
        sidecar=_changed(old.resolved.sidecar, new.resolved.sidecar),
        sections=tuple(sorted(name for name in both if old.sections.get(name) != new.sections.get(name))),
    )


def _changed(old: BaseModel, new: BaseModel) -> tuple[str, ...]:
    return tuple(name for name in type(old).model_fields if getattr(old, name) != getattr(new, name))


def enabled_servers(config: HubConfig) -> dict[str, ServerSettings]:
    """The servers that are not left out, in the order of the file."""
    return {name: server for name, server in config.servers.items() if server.enabled}
