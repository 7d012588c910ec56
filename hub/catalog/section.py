"""One provider's part of the catalogue: what it offers, under which public names."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from hub.catalog.entry import Entry, ToolEntry
from hub.catalog.naming import public_name, public_uri
from hub.catalog.provider import Json, Kind, Provider
from hub.catalog.schema import ArgumentSchema

KINDS: tuple[Kind, ...] = ("tools", "prompts", "resources", "templates")
KEY_OF: dict[Kind, Literal["name", "uri", "uriTemplate"]] = {
    "tools": "name",
    "prompts": "name",
    "resources": "uri",
    "templates": "uriTemplate",
}


@dataclass(kw_only=True)
class Section:
    """A provider with the rules under which its entries are listed."""

    provider: Provider
    prefix: str
    """Stands before the names of tools and prompts; empty for none."""
    transparent: bool = False
    """Names, URIs and ids stay as they are."""
    allowed: tuple[str, ...] | None = None
    """Own names or patterns of the tools that are listed; None for all."""
    hidden: tuple[str, ...] = ()
    definitions: dict[Kind, Sequence[Json]] = field(default_factory=dict[Kind, Sequence[Json]])
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    """Own URI -> public URI, where they differ."""
    _schemas: dict[str, tuple[Any, ArgumentSchema]] = field(default_factory=dict[str, "tuple[Any, ArgumentSchema]"])

    @property
    def name(self) -> str:
        return self.provider.name

    def is_listed(self, tool_name: str) -> bool:
        """Whether the configuration lets this tool be seen and called."""
        if self.allowed is not None and not any(fnmatch.fnmatchcase(tool_name, rule) for rule in self.allowed):
            return False
        return not any(fnmatch.fnmatchcase(tool_name, rule) for rule in self.hidden)

    def own_names(self, kind: Kind) -> list[tuple[str, Json]]:
        """(own name or URI, definition) of each well-formed, listed entry, in the provider's order."""
        key = KEY_OF[kind]
        found: dict[str, Json] = {}
        for definition in self.definitions.get(kind, ()):
            own = definition.get(key)
            if isinstance(own, str) and own and (kind != "tools" or self.is_listed(own)):
                found.setdefault(own, definition)
        return list(found.items())

    def public_name(self, kind: Kind, own: str) -> str:
        """The name that this section asks for; URIs stay as they are until another provider owns them."""
        if self.transparent or kind in ("resources", "templates"):
            return own
        return public_name(self.prefix, own)

    def renamed_uri(self, own: str) -> str:
        """Give a URI that somebody else owns a public form of its own, and remember it."""
        public = public_uri(self.name, own)
        self.renamed[own] = public
        return public

    def entry(self, kind: Kind, name: str, own: str, definition: Json) -> Entry:
        """The catalogue's entry for one definition."""
        public = definition if name == own else {**definition, KEY_OF[kind]: name}
        if self.renamed:
            public = cast("Json", self.to_public(public))
        if kind != "tools":
            return Entry(name=name, own_name=own, provider=self.provider, definition=public)
        return ToolEntry(
            name=name, own_name=own, provider=self.provider, definition=public, schema=self._schema(own, definition)
        )

    def _schema(self, own: str, definition: Json) -> ArgumentSchema:
        raw = definition.get("inputSchema")
        known = self._schemas.get(own)
        if known is not None and known[0] == raw:
            return known[1]
        schema = ArgumentSchema(raw)
        self._schemas[own] = (raw, schema)
        return schema

    def to_public(self, body: object) -> object:
        """Put public URIs into a result, wherever one of this provider's changed URIs stands as a `uri`.

        Covers resource links, embedded resources, contents and `_meta.ui.resourceUri`.
        """
        if not self.renamed:
            return body
        if isinstance(body, list):
            return [self.to_public(item) for item in cast("list[object]", body)]
        if isinstance(body, dict):
            return {
                key: self.renamed.get(value, value)
                if key in ("uri", "resourceUri") and isinstance(value, str)
                else self.to_public(value)
                for key, value in cast("dict[str, object]", body).items()
            }
        return body
