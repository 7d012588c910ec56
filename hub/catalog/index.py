"""Who owns which public name: deterministic, first come first kept, O(1) to look up."""

import difflib
import re
from collections.abc import Iterable
from itertools import islice

from hub.catalog.entry import Entry, ToolEntry, Withheld
from hub.catalog.naming import own_uri
from hub.catalog.provider import Json, Kind
from hub.catalog.section import KINDS, Section
from hub.errors import UnknownNameError

_EXPRESSION = re.compile(r"\{[^{}]*\}")
_WORD = re.compile(r"[a-z0-9]+")
_NEAREST = 3
_COMPARED = 500


class Index:
    """The names of all sections, rebuilt when a section's definitions change."""

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}
        self.withheld: dict[Kind, list[Withheld]] = {kind: [] for kind in KINDS}
        self._entries: dict[Kind, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._listing: dict[Kind, list[Json]] = {kind: [] for kind in KINDS}
        self._templates: list[tuple[list[str], Entry]] = []

    def rebuild(self, kind: Kind) -> list[Withheld]:
        """Work out the owners of one kind again.

        Returns:
            The names withheld now that were not withheld before.
        """
        before = self._entries[kind]
        entries: dict[str, Entry] = {}
        withheld: list[Withheld] = []
        for keep_owned in (True, False):  # first the names whose owner stays, then the others in the sections' order
            for section in self.sections.values():
                self._place(kind, section, keep_owned, before, entries, withheld)
        ordered: dict[str, Entry] = {}
        for section in self.sections.values():
            for entry in entries.values():
                if entry.provider is section.provider:
                    ordered[entry.name] = entry
        known = set(self.withheld[kind])
        self._entries[kind] = ordered
        self._listing[kind] = [entry.definition for entry in ordered.values()]
        self.withheld[kind] = withheld
        if kind == "templates":
            split = ((_EXPRESSION.split(entry.name), entry) for entry in ordered.values())
            self._templates = [(literals, entry) for literals, entry in split if len(literals) > 1]
        return [item for item in withheld if item not in known]

    def _place(
        self,
        kind: Kind,
        section: Section,
        keep_owned: bool,
        before: dict[str, Entry],
        entries: dict[str, Entry],
        withheld: list[Withheld],
    ) -> None:
        for own, definition in section.own_names(kind):
            name = section.public_name(kind, own)
            owned = before.get(name)
            is_kept = owned is not None and owned.provider is section.provider and owned.own_name == own
            if is_kept is not keep_owned:
                continue
            taken = entries.get(name)
            if taken is not None and kind in ("resources", "templates"):
                name = section.renamed_uri(own)
                taken = entries.get(name)
            if taken is not None:
                withheld.append(Withheld(name=name, owner=taken.provider.name, newcomer=section.name))
                continue
            entries[name] = section.entry(kind, name, own, definition)

    def entries(self, kind: Kind) -> Iterable[Entry]:
        return self._entries[kind].values()

    def listing(self, kind: Kind) -> list[Json]:
        """Definitions under their public names, sections in the configuration's order. Not to be changed."""
        return self._listing[kind]

    def get(self, kind: Kind, name: str) -> Entry | None:
        return self._entries[kind].get(name)

    def tool(self, name: str) -> ToolEntry:
        """Raises: UnknownNameError, with the nearest names."""
        entry = self._entries["tools"].get(name)
        if not isinstance(entry, ToolEntry):
            raise self.unknown("tools", "tool", name)
        return entry

    def prompt(self, name: str) -> Entry:
        """Raises: UnknownNameError, with the nearest names."""
        entry = self._entries["prompts"].get(name)
        if entry is None:
            raise self.unknown("prompts", "prompt", name)
        return entry

    def resource_owners(self, uri: str) -> list[tuple[Section, str]]:
        """The sections that may have a URI, each with its own form of it, the likeliest first.

        A URI that is listed, was renamed, or fits a template has one owner; any other may belong to each section.
        """
        listed = self._entries["resources"].get(uri) or self._entries["templates"].get(uri)
        if listed is not None:
            return [(self.sections[listed.provider.name], listed.own_name)]
        undone = own_uri(uri)
        if undone is not None and undone[0] in self.sections:
            return [(self.sections[undone[0]], undone[1])]
        fitting = [(sum(map(len, literals)), entry) for literals, entry in self._templates if _fits(literals, uri)]
        if fitting:
            _, best = max(fitting, key=lambda pair: pair[0])
            return [(self.sections[best.provider.name], uri)]
        return [(section, uri) for section in self.sections.values()]

    def unknown(self, kind: Kind, noun: str, name: str) -> UnknownNameError:
        """The error for a name that nobody owns."""
        near = difflib.get_close_matches(name[:128], self._candidates(kind, name[:128]), n=_NEAREST, cutoff=0.5)
        hint = f"; the nearest names are {', '.join(near)}" if near else ""
        return UnknownNameError(f"there is no {noun} named {name[:128]!r}{hint}")

    def _candidates(self, kind: Kind, name: str) -> list[str]:
        """Names that share a word with this one, else the first ones: a bounded number for a costly comparison."""
        words = [word for word in _WORD.findall(name.lower()) if len(word) > 2]
        names = self._entries[kind]
        sharing = (known for known in names if any(word in known.lower() for word in words))
        return list(islice(sharing, _COMPARED)) or list(islice(names, _COMPARED))


def _fits(literals: list[str], uri: str) -> bool:
    """Whether a URI has a template's literal parts in their order, with any text between them."""
    first, *middle, last = literals
    if len(uri) < len(first) + len(last) or not uri.startswith(first) or not uri.endswith(last):
        return False
    at, end = len(first), len(uri) - len(last)
    for literal in middle:
        found = uri.find(literal, at, end)
        if found < 0:
            return False
        at = found + len(literal)
    return True
