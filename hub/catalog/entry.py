"""What the catalogue knows of one name."""

from dataclasses import dataclass, field
from functools import cached_property

from hub.catalog.provider import Json, Provider, RawRelay
from hub.catalog.schema import ArgumentSchema, has_header_parameters


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tool, prompt, resource or template under its public name or URI."""

    name: str
    """Public name; for resources the URI, for templates the URI template."""
    own_name: str
    """The same at the provider."""
    provider: Provider
    definition: Json
    """As it is listed, under the public name."""


@dataclass(frozen=True, kw_only=True)
class ToolEntry(Entry):
    """A tool with its compiled schema."""

    schema: ArgumentSchema = field(compare=False)

    @cached_property
    def raw_relay(self) -> RawRelay | None:
        """The provider, if it can answer raw."""
        return self.provider if isinstance(self.provider, RawRelay) else None

    @cached_property
    def has_header_parameters(self) -> bool:
        """Whether arguments of this tool travel in headers too, which the short lane does not look after."""
        return has_header_parameters(self.definition.get("inputSchema"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A name that is not listed because another provider owns it."""

    name: str
    owner: str
    newcomer: str

    def __str__(self) -> str:
        return (
            f"{self.newcomer} also offers {self.name!r}, which belongs to {self.owner}: it is withheld; "
            f"give {self.newcomer} another prefix"
        )
